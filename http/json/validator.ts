import AjvCompiler from '@fastify/ajv-compiler'
import { isExact, isJsonNumber } from './exact.ts'
import { escapePointer } from './pointer.ts'
import { isSmall } from './small.ts'
import { uniqueItemsPlugin } from './unique-items.ts'

/**
 * Compiles validators of requests. Bodies are not coerced, since JSON has types. Parameters, query and headers are text
 * and are coerced to numbers and lists. Of a small part all faults are reported, of a larger one the first (small.ts).
 */
interface Validator {
  (data: unknown, context?: object): unknown
  errors?: object[] | null
  schemaEnv?: unknown
}
interface RoutePart {
  httpPart?: string
  schema: unknown
}
type Compile = (part: RoutePart) => Validator

/** Fastify's `compilersFactory.buildValidator`. */
export function buildValidator(externalSchemas: unknown, ajv: { plugins?: unknown[] }): Compile {
  const plugins = [...(ajv.plugins ?? []), uniqueItemsPlugin]
  const compiler = (customOptions: object): Compile =>
    AjvCompiler()(
      externalSchemas as never,
      { ...ajv, plugins, customOptions: { removeAdditional: false, ...customOptions } } as never
    ) as never
  const body = compileBounded({ coerceTypes: false }, compiler)
  const others = compileBounded({ coerceTypes: 'array' }, compiler)
  return part => {
    if (part.httpPart === 'body') return body(part)
    const validate = others(part)
    return hasNumbers(part.schema) ? keepNumbers(validate, () => body(part)) : validate
  }
}

/** Validates up to the first fault. If the value is small, validates it again to collect all faults. */
function compileBounded(options: object, compiler: (options: object) => Compile): Compile {
  const first = compiler(options)
  let all: Compile | undefined
  return part => {
    const validateFirst = first(part)
    let validateAll: Validator | undefined
    const validate: Validator = (data, context) => {
      const result = validateFirst(data, context)
      if (result !== false) return result
      validate.errors = validateFirst.errors ?? []
      if (isSmall(data)) {
        all ??= compiler({ ...options, allErrors: true })
        validateAll ??= all(part)
        if (validateAll(data, context) === false) validate.errors = validateAll.errors ?? []
      }
      return false
    }
    // Fastify looks for it to pass the part's parent, in which ajv can replace the part.
    validate.schemaEnv = validateFirst.schemaEnv
    return validate
  }
}

/** Returns true if the schema may have a number, also behind a reference. */
function hasNumbers(schema: unknown): boolean {
  return /"(?:number|integer|\$ref)"/.test(JSON.stringify(schema) ?? '')
}

/**
 * Reverts ajv's coercion to a number with another value or spelling: with `007`, `0x10` and `9007199254740993` the service
 * would return other records. The text is valid where the schema accepts text, and a fault elsewhere.
 */
function keepNumbers(validatePart: Validator, compileStrict: () => Validator): Validator {
  let strict: Validator | undefined
  const validate: Validator = (data, context) => {
    const texts = textsOf(data)
    const result = validatePart(data, context)
    validate.errors = validatePart.errors ?? []
    if (result !== true) return result
    const faults = revert(texts, data as Record<string, unknown>)
    if (faults.length === 0) return true
    validate.errors = faults
    strict ??= compileStrict()
    return strict(data)
  }
  validate.schemaEnv = validatePart.schemaEnv
  return validate
}

type Texts = [name: string, texts: unknown[]][]

function textsOf(data: unknown): Texts {
  return Object.entries(Object(data)).map(([name, value]) => [name, [value].flat()])
}

/** Restores the text of numbers with another value or spelling. Returns a fault for each. */
function revert(texts: Texts, data: Record<string, unknown>): object[] {
  return texts.flatMap(([name, before]) => {
    const after = data[name]
    const instancePath = `/${escapePointer(name)}`
    return [after].flat().flatMap((value, i) => {
      const text = before[i]
      if (typeof value !== 'number' || typeof text !== 'string' || isNumberOf(value, text)) return []
      if (Array.isArray(after)) after[i] = text
      else data[name] = text
      const message = isJsonNumber(text)
        ? 'must be a number that a double can hold exactly'
        : 'must be number'
      return [{ instancePath, keyword: 'exact', params: {}, message }]
    })
  })
}

function isNumberOf(value: number, text: string): boolean {
  // Beyond 2^53 an integer may be exact, but JavaScript prints it differently: 1e+21.
  const isSafe = !Number.isInteger(value) || Number.isSafeInteger(value)
  return isSafe && isJsonNumber(text) && isExact(value, text)
}
