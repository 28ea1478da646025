import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'

/**
 * Compiles serializers of responses with fast-json-stringify, which throws for a raw number (`JSON.rawJSON`, see
 * money.ts). A response with raw numbers is serialized again, with their digits unchanged.
 */
type Serializer = (value: unknown) => string
type Compile = (part: object) => Serializer

/** Fastify's `compilersFactory.buildSerializer`. */
export function buildSerializer(externalSchemas: unknown, options: unknown): Compile {
  const compile = SerializerSelector()(externalSchemas as never, options as never) as unknown as Compile
  return part => {
    const serialize = compile(part)
    return value => {
      try {
        return serialize(value)
      } catch (error) {
        const rounded = withDoubles(value)
        if (rounded === value) throw error
        return JSON.stringify(withRaw(JSON.parse(serialize(rounded)), value))
      }
    }
  }
}

/** Returns a copy with the nearest doubles instead of raw numbers, or `value` itself if it has none. */
function withDoubles(value: unknown): unknown {
  if (isRaw(value))
    // The serializer writes Infinity as null.
    return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, Number(value.rawJSON)))
  if (Array.isArray(value)) {
    const items = value.map(withDoubles)
    return items.every((item, i) => item === value[i]) ? value : items
  }
  if (!isPlain(value)) return value
  const members = Object.entries(value).map(([name, member]) => [name, withDoubles(member)] as const)
  return members.every(([name, member]) => member === value[name]) ? value : Object.fromEntries(members)
}

/**
 * Returns `serialized` with the raw numbers of `value` instead of their doubles.
 * @param serialized `value` as its schema serialized it
 */
function withRaw(serialized: unknown, value: unknown): unknown {
  if (isRaw(value)) return typeof serialized === 'number' ? value : serialized
  if (Array.isArray(serialized) && Array.isArray(value))
    return serialized.map((item, i) => withRaw(item, value[i]))
  if (!isPlain(serialized) || !isPlain(value)) return serialized
  return Object.fromEntries(
    Object.entries(serialized).map(([name, member]) => [name, withRaw(member, value[name])])
  )
}

function isRaw(value: unknown): value is { rawJSON: string } {
  return typeof value === 'object' && JSON.isRawJSON(value)
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !('toJSON' in value) && !Array.isArray(value)
}

declare global {
  interface JSON {
    /** https://github.com/tc39/proposal-json-parse-with-source */
    isRawJSON(value: unknown): boolean
  }
}
