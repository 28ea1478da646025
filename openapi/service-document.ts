import { readFile, stat } from 'node:fs/promises'
import { parse } from 'yaml'
import { ConfigError } from '../schemas/options/config-error.ts'
import { isObject } from '../schemas/options/faults.ts'
import { checkStructure } from './check-structure.ts'
import { reasonOf } from './read-failure.ts'
import { upgradeDocument } from './upgrade-document.ts'

/** The document of a service, as OpenAPI 3.1. */
export interface ServiceDocument {
  file: string
  /** Path of its first server's URL, without a slash at the end; empty if that is the root. */
  basePath: string
  paths: Record<string, Record<string, unknown>>
  components: Record<string, Record<string, unknown>>
  /** Requirements of operations that have none of their own. */
  security: unknown[]
}

/** Bytes. */
const MAX_FILE = 5 * 1_048_576

/**
 * Reads the document of a service, in YAML or JSON, OpenAPI 3.0 or 3.1. Files and URLs that it refers to are not read.
 * @throws ConfigError that names the file and the place of what is wrong
 */
export async function readServiceDocument(file: string): Promise<ServiceDocument> {
  const content = await readContent(file)
  const fault = (path: string, message: string) => new ConfigError([{ path: `${file} ${path}`, message }])
  if (!isObject(content)) throw fault('/', 'is not an OpenAPI document')
  if (content.swagger !== undefined)
    throw fault('/swagger', 'is Swagger 2.0, which is not supported: convert it to OpenAPI 3')
  const version = /^3\.([01])\.\d+$/.exec(String(content.openapi))?.[1]
  if (version === undefined) throw fault('/openapi', 'must be 3.0 or 3.1, such as 3.1.0')
  const found = checkStructure(content)
  if (found !== undefined) throw fault(found.path, found.message)

  const { paths, components, security, servers } = version === '0' ? upgradeDocument(content) : content
  return {
    file,
    basePath: basePathOf(servers),
    paths: paths as ServiceDocument['paths'],
    components: (components ?? {}) as ServiceDocument['components'],
    security: Array.isArray(security) ? security : []
  }
}

async function readContent(file: string): Promise<unknown> {
  const fault = (message: string) => new ConfigError([{ path: file, message }])
  let text: string
  try {
    const { size } = await stat(file)
    if (size > MAX_FILE) throw fault(`is larger than ${MAX_FILE / 1_048_576} MiB`)
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw fault(`cannot be read: ${reasonOf(error)}`)
  }
  try {
    return text.trimStart().startsWith('{') ? JSON.parse(text) : parse(text, { logLevel: 'error' })
  } catch (error) {
    const [reason] = (error as Error).message.split('\n', 1)
    throw fault(`is neither YAML nor JSON: ${reason}`)
  }
}

/** Variables have their default. */
function basePathOf(servers: unknown): string {
  const [server] = Array.isArray(servers) ? servers : []
  if (!isObject(server) || typeof server.url !== 'string') return ''
  const variables = isObject(server.variables) ? server.variables : {}
  const url = server.url.replace(/\{([^{}]+)\}/g, (_, name: string) => {
    const variable = Object.hasOwn(variables, name) ? variables[name] : undefined
    return isObject(variable) ? String(variable.default) : ''
  })
  const base = 'http://localhost'
  return URL.canParse(url, base) ? new URL(url, base).pathname.replace(/\/+$/, '') : ''
}
