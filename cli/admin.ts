import { isIP } from 'node:net'
import { loadConfig } from '../cluster/config.ts'
import { UsageError, type Values } from './command.ts'

/** The admin side of a gateway that runs. */
export interface Admin {
  url: string
  token: string | undefined
}

export const adminOption = { admin: { type: 'string' } } as const

/** Where the config says that it is; with `--admin` there, with the token of SLUICE_ADMIN_TOKEN, and no config is read. */
export async function findAdmin({ admin, config }: Values, env: NodeJS.ProcessEnv): Promise<Admin> {
  if (typeof admin === 'string') {
    if (!/^https?:\/\//i.test(admin) || !URL.canParse(admin))
      throw new UsageError('--admin must be a URL such as http://127.0.0.1:8081')
    const { username, password, search, hash } = new URL(admin)
    if (username || password || search || hash)
      throw new UsageError(
        '--admin must be a URL without user, password and query: SLUICE_ADMIN_TOKEN has the token'
      )
    const token = env.SLUICE_ADMIN_TOKEN || undefined
    if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
      throw new UsageError('SLUICE_ADMIN_TOKEN must be ASCII without spaces and control characters')
    return { url: admin.replace(/\/+$/, ''), token }
  }
  const { host, port, token } = (await loadConfig(config as string, env)).admin
  if (port === 0) throw new Error('the admin side has a port that is not known before the start: use --admin')
  return { url: `http://${reachable(host)}:${port}`, token }
}

/** Of what is listened on everywhere, this machine. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return isIP(host) === 6 ? `[${host}]` : host
}

/**
 * One call of the admin side. The answer is not read yet.
 * @throws an error in words if nothing listens, or the token is refused.
 */
export async function callAdmin(
  { url, token }: Admin,
  path: string,
  init: { method?: string; signal: AbortSignal }
): Promise<Response> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const response = await fetch(url + path, { ...init, headers, redirect: 'error' }).catch(error => {
    if (init.signal.aborted) throw error
    throw new Error(`${url} does not answer: does the gateway run? (${reasonOf(error)})`)
  })
  if (await isOfGateway(response, url, init.signal))
    throw new Error(`${url} is not the admin API of a gateway; is that the port of the gateway itself?`)
  if (response.status === 401)
    throw new Error(
      `${url} ${token === undefined ? 'asks for a token, and there is none' : 'refuses the token'}`
    )
  return response
}

/**
 * True if the response is not an admin API's, but that of the gateway's own port or of another server. Asks for
 * `/livez`, which an admin API answers without a token.
 */
async function isOfGateway(response: Response, url: string, signal: AbortSignal): Promise<boolean> {
  if (!REFUSALS.has(response.status)) return false
  const problem = await jsonOf(response.clone())
  if (problem !== undefined && !String(problem.type).startsWith('urn:sluice:')) return false
  const live = await fetch(`${url}/livez`, { signal, redirect: 'error' }).catch(() => undefined)
  return live === undefined || (await jsonOf(live))?.status !== 'live'
}

const REFUSALS = new Set([401, 403, 404, 405])

async function jsonOf(response: Response): Promise<{ type?: unknown; status?: unknown } | undefined> {
  try {
    return Object(JSON.parse(await textOf(response)))
  } catch {
    return undefined
  }
}

function reasonOf(error: Error & { cause?: NodeJS.ErrnoException }): string {
  return error.cause?.code ?? error.cause?.message ?? error.message
}

/** Bytes of an answer that says what is wrong. */
const MAX_PROBLEM = 65_536

/** What an answer that is not a success says, in one line, and more for why. */
export async function problemIn(response: Response): Promise<string[]> {
  const text = await textOf(response)
  let problem: { title?: unknown; detail?: unknown; reason?: unknown; errors?: unknown }
  try {
    problem = Object(JSON.parse(text))
  } catch {
    problem = {}
  }
  const { title = response.statusText, detail, reason, errors } = problem
  const more = [detail, reason].filter(part => part !== undefined).flatMap(part => String(part).split('\n'))
  return [
    `${response.status} ${title}`,
    ...[...more, ...(Array.isArray(errors) ? errors : []).map(inWords)].map(line => `  ${line}`)
  ]
}

function inWords(fault: { path?: unknown; message?: unknown } | string | null): string {
  return typeof fault === 'string' ? fault : `${fault?.path ?? ''} ${fault?.message ?? ''}`.trim()
}

/** As much of it as is worth showing. */
export async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    size += chunk.length
    if (size > MAX_PROBLEM) break
  }
  return Buffer.concat(chunks).subarray(0, MAX_PROBLEM).toString('utf8')
}
