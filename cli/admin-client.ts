import { isIP } from 'node:net'
import { loadConfig } from '../cluster/config.ts'
import { readVariable } from '../environment-value.ts'
import { UsageError, type Values } from './command.ts'

/** The admin API of a running gateway. */
export interface AdminApi {
  url: string
  token: string | undefined
}

export const adminOption = { admin: { type: 'string' } } as const

/**
 * Returns the admin API that `--admin` and SLUICE_ADMIN_TOKEN name, or else the config.
 * @throws UsageError for an invalid `--admin` or token
 */
export async function resolveAdminApi({ admin, config }: Values, env: NodeJS.ProcessEnv): Promise<AdminApi> {
  if (typeof admin === 'string') return { url: parseUrl(admin), token: tokenFrom(env) }
  const { host, port, token } = (await loadConfig(config as string, env)).admin
  if (port === 0) throw new Error('admin.port is 0, so the port is unknown before the start; use --admin')
  return { url: `http://${reachableHost(host)}:${port}`, token }
}

function parseUrl(admin: string): string {
  if (!/^https?:\/\//i.test(admin) || !URL.canParse(admin))
    throw new UsageError('--admin must be a URL such as http://127.0.0.1:8081')
  const { username, password, search, hash } = new URL(admin)
  if (username || password || search || hash)
    throw new UsageError(
      '--admin must be a URL without user, password and query; put the token into SLUICE_ADMIN_TOKEN'
    )
  return admin.replace(/\/+$/, '')
}

function tokenFrom(env: NodeJS.ProcessEnv): string | undefined {
  const { value: token, fault } = readVariable('SLUICE_ADMIN_TOKEN', env)
  if (fault !== undefined) throw new UsageError(`SLUICE_ADMIN_TOKEN_FILE ${fault}`)
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw new UsageError('SLUICE_ADMIN_TOKEN must be ASCII without spaces and control characters')
  return token
}

/** Returns loopback for a host that stands for all interfaces. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return isIP(host) === 6 ? `[${host}]` : host
}

/**
 * Calls the admin API. The response body is unread.
 * @throws an error with a message for users if nothing listens, the server is no admin API, or the token is rejected
 */
export async function callAdminApi(
  { url, token }: AdminApi,
  path: string,
  init: { method?: string; signal: AbortSignal }
): Promise<Response> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  // Redirects would send the token to another server.
  const response = await fetch(url + path, { ...init, headers, redirect: 'error' }).catch(error => {
    if (init.signal.aborted) throw error
    throw new Error(`${url} does not respond (${reasonOf(error)}); is the gateway running?`)
  })
  if (await isAnotherServer(response, url, init.signal))
    throw new Error(`${url} is not the admin API of a gateway; is that the port of the gateway itself?`)
  if (response.status === 401)
    throw new Error(
      token === undefined
        ? `${url} requires a token: set admin.token in the config, or SLUICE_ADMIN_TOKEN with --admin`
        : `${url} rejects the token; after a change of admin.token, send SIGHUP to the gateway to reload it`
    )
  return response
}

/**
 * Returns true if an error response is not from an admin API, but from the gateway's own port or another server. Requests
 * `/livez`, which the admin API serves without a token.
 */
async function isAnotherServer(response: Response, url: string, signal: AbortSignal): Promise<boolean> {
  if (!REJECTIONS.has(response.status)) return false
  const problem = await readJson(response.clone())
  if (problem !== undefined && !String(problem.type).startsWith('urn:sluice:')) return false
  const live = await fetch(`${url}/livez`, { signal, redirect: 'error' }).catch(() => undefined)
  return live === undefined || (await readJson(live))?.status !== 'live'
}

const REJECTIONS = new Set([401, 403, 404, 405])

async function readJson(response: Response): Promise<{ type?: unknown; status?: unknown } | undefined> {
  try {
    return Object(JSON.parse(await readText(response)))
  } catch {
    return undefined
  }
}

function reasonOf(error: Error & { cause?: NodeJS.ErrnoException }): string {
  return error.cause?.code ?? error.cause?.message ?? error.message
}

/** Bytes of a response. */
const MAX_TEXT = 65_536

/** Describes an error response: one line with the title, then indented lines with details. */
export async function describeProblem(response: Response): Promise<string[]> {
  const text = await readText(response)
  let problem: { title?: unknown; detail?: unknown; reason?: unknown; errors?: unknown }
  try {
    problem = Object(JSON.parse(text))
  } catch {
    problem = {}
  }
  const { title = response.statusText, detail, reason, errors } = problem
  const details = [detail, reason]
    .filter(part => part !== undefined)
    .flatMap(part => String(part).split('\n'))
  const faults = (Array.isArray(errors) ? errors : []).map(describeFault)
  return [`${response.status} ${title}`, ...[...details, ...faults].map(line => `  ${line}`)]
}

function describeFault(fault: { path?: unknown; message?: unknown } | string | null): string {
  return typeof fault === 'string' ? fault : `${fault?.path ?? ''} ${fault?.message ?? ''}`.trim()
}

/** Reads at most `MAX_TEXT` bytes of a body. */
export async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    size += chunk.length
    if (size > MAX_TEXT) break
  }
  return Buffer.concat(chunks).subarray(0, MAX_TEXT).toString('utf8')
}
