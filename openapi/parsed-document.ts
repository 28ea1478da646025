import { open } from 'node:fs/promises'
import { parse as parseYaml } from 'yaml'
import { unescapePointer } from '../http/json/pointer.ts'
import { isObject } from '../schemas/options/faults.ts'
import { pointerTo } from './pointer.ts'
import { reasonOf } from './read-failure.ts'

/** A document that cannot be read, or that is too large to work with. */
export class DocumentError extends Error {}

export type Json = Record<string, unknown>

/** An OpenAPI document. Objects are found by reference, and know their JSON pointer. */
export interface ParsedDocument {
  version: '3.0' | '3.1'
  root: Json
  /**
   * Follows `$ref`s from `value`. Returns undefined if one leads nowhere, to another file, or in a circle.
   */
  resolve(value: unknown): unknown
  /** Returns the JSON pointer of an object of this document, or '' for others. */
  pointerOf(value: unknown): string
}

const MAX_BYTES = 32 * 1024 * 1024
const MAX_DEPTH = 500
const MAX_VALUES = 2_000_000
const MAX_REFERENCES = 100

/**
 * Reads an OpenAPI document from a JSON or YAML file.
 * @throws DocumentError
 */
export async function readDocument(file: string): Promise<ParsedDocument> {
  return parseDocument(await readText(file), file)
}

/** @throws DocumentError */
export function parseDocument(text: string, name: string): ParsedDocument {
  let value: unknown
  try {
    value = /^\s*\{/.test(text)
      ? JSON.parse(text.replace(/^\ufeff/, ''))
      : parseYaml(text, { maxAliasCount: 100, logLevel: 'error' })
  } catch (error) {
    const reason = error instanceof RangeError ? 'is nested too deep' : (error as Error).message
    throw new DocumentError(`${name} is neither JSON nor YAML: ${reason.split('\n', 1)[0]}`)
  }
  return createDocument(value, name)
}

/** @throws DocumentError if `value` is no OpenAPI document of version 3.0 or 3.1, or too large */
export function createDocument(value: unknown, name: string): ParsedDocument {
  if (!isObject(value)) throw new DocumentError(`${name} is no OpenAPI document`)
  if (value.swagger !== undefined)
    throw new DocumentError(
      `${name} is OpenAPI ${value.swagger}; convert it to 3.0 first, for example with swagger2openapi`
    )
  const [, version] = /^(3\.[01])\.\d+/.exec(String(value.openapi)) ?? []
  if (version === undefined)
    throw new DocumentError(
      value.openapi === undefined
        ? `${name} is no OpenAPI document: it has no member "openapi"`
        : `${name} is OpenAPI ${String(value.openapi).slice(0, 20)}; 3.0 and 3.1 are supported`
    )
  const pointers = indexPointers(value, name)

  return {
    version: version as '3.0' | '3.1',
    root: value,
    resolve(start) {
      let current = start
      for (let i = 0; i < MAX_REFERENCES; i++) {
        if (!isObject(current) || typeof current.$ref !== 'string') return current
        current = find(value, current.$ref)
      }
      return undefined
    },
    pointerOf: object => pointers.get(object as object) ?? ''
  }
}

/** Returns the value at a reference such as `#/components/schemas/Order`, or undefined. */
function find(root: unknown, reference: string): unknown {
  if (reference === '#') return root
  if (!reference.startsWith('#/')) return undefined
  let value = root
  for (const part of reference.slice(2).split('/')) {
    let name: string
    try {
      name = unescapePointer(decodeURIComponent(part))
    } catch {
      return undefined
    }
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Json)[name]
  }
  return value
}

function indexPointers(root: Json, name: string): Map<object, string> {
  const pointers = new Map<object, string>()
  const open: { value: object; pointer: string; depth: number }[] = [{ value: root, pointer: '', depth: 0 }]
  let count = 0
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, pointer, depth } = next
    if (pointers.has(value)) continue
    pointers.set(value, pointer)
    if (depth > MAX_DEPTH) throw new DocumentError(`${name} is nested deeper than ${MAX_DEPTH}`)
    for (const [key, member] of Object.entries(value)) {
      if (++count > MAX_VALUES) throw new DocumentError(`${name} has more than ${MAX_VALUES} values`)
      if (typeof member === 'object' && member !== null)
        open.push({ value: member, pointer: pointer + pointerTo(key), depth: depth + 1 })
    }
  }
  return pointers
}

async function readText(file: string): Promise<string> {
  const handle = await open(file).catch(error => {
    throw new DocumentError(`${file} cannot be read: ${reasonOf(error)}`)
  })
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) throw new DocumentError(`${file} is no file`)
    if (stats.size > MAX_BYTES) throw new DocumentError(`${file} is larger than ${MAX_BYTES} bytes`)
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}
