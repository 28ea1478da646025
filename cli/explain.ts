import { isIP } from 'node:net'
import { loadConfig } from '../cluster/config.ts'
import { createRedactor, MASK, type Redactor } from '../observe/redact/redactor.ts'
import { targetOf } from '../proxy/endpoints/pool.ts'
import { UNASKED } from '../proxy/retry.ts'
import type { GatewayConfig } from '../schemas/options/gateway.ts'
import type { UpstreamOptions } from '../schemas/options/upstreams.ts'
import { type Command, columns, configOption, jsonOption, plain, UsageError, type Values } from './command.ts'
import { type Explanation, explanationOf } from './explanation.ts'
import { type Rehearsal, type Rehearsed, rehearse, type WouldBeCall } from './rehearsal.ts'
import { duration } from './table.ts'

export const command: Command = {
  options: {
    ...configOption,
    ...jsonOption,
    header: { type: 'string', short: 'H', multiple: true, default: [] },
    data: { type: 'string', short: 'd' },
    as: { type: 'string' },
    from: { type: 'string', default: '127.0.0.1' }
  },
  positionals: ['METHOD', 'URL'],
  help: `sluice explain METHOD URL [-H 'Name: value']… [-d BODY] [--as WHO] [--from ADDRESS] [--config FILE] [--json]

Says what would become of a request: which steps it passes, where it is stopped and why, and what would be sent to which
service. The real gateway decides, over a connection in memory; it does not listen, and nothing is connected to. Of a
token everything is checked but its signature. Handlers of a route's own are not run; its hooks and the functions of its
transformations and compositions are.

  -c, --config FILE  fastify.config.ts
  -H, --header       a header of the request; may be given several times
  -d, --data BODY    its body; JSON unless a header says otherwise
      --as WHO       with a token that is good here: a sub, or claims as JSON ({"sub":"ada","roles":["admin"]})
      --from ADDRESS the client's address (127.0.0.1)
      --json         the same as JSON

Exit code 1 if the request is stopped.`,
  async run(values, [method = '', url = ''], { print, env }) {
    const request = requestOf(method, url, values)
    const config = await loadConfig(values.config as string, env)
    const rehearsal = await rehearse(config)
    let rehearsed = await send(request, rehearsal, config)
    const claims = claimsOf(values)
    const { issuer } = rehearsed.exchange?.config ?? {}
    if (claims !== undefined && issuer !== undefined) {
      const { issuer: iss, audience: aud } = config.issuers[issuer] as GatewayConfig['issuers'][string]
      const exp = Math.floor(Date.now() / 1_000) + 300
      const token = rehearsal.keys.issue({ iss, aud, exp, ...claims })
      request.headers.push(['Authorization', `Bearer ${token}`])
      rehearsed = await send(request, rehearsal, config)
    }
    const redactor = createRedactor(config.redact)
    const explanation = explanationOf(rehearsed, rehearsal, config, redactor)
    const mask = maskOf(rehearsed, redactor)
    const shown = show(explanation, rehearsed, config, redactor, mask)
    const asked = mask(redactor.url(url))
    if (values.json) print(JSON.stringify({ method, url: asked, ...shown }, null, 2))
    else print(...inWords(shown, `${method} ${asked}`))
    return explanation.answer === undefined || explanation.answer.status < 400 ? 0 : 1
  }
}

interface Asked {
  method: string
  target: string
  headers: [string, string][]
  body: string | undefined
  from: string
}

function requestOf(method: string, url: string, { header, data, from, as }: Values): Asked {
  if (!/^[!#$%&'*+.^_`|~\w-]{1,32}$/.test(method)) throw new UsageError('METHOD is no method of HTTP')
  if (!/^[\x21-\x7e]{1,65536}$/.test(url))
    throw new UsageError('URL must be ASCII without spaces or control characters: encode them (%20)')
  // `OPTIONS *`, `CONNECT host:port` and every scheme are for the gateway to refuse.
  if (/^[^/*:]+(\/|$)/.test(url) && method !== 'CONNECT')
    throw new UsageError('URL must begin with / or http://, such as /api/v1/products')
  if (isIP(from as string) === 0) throw new UsageError('--from must be an IP address')
  const headers = (header as string[]).map((line): [string, string] => {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/.exec(line) ?? []
    if (name === undefined || value === undefined)
      throw new UsageError(`${JSON.stringify(line)} is no header: 'Name: value', without control characters`)
    return [name, value]
  })
  const has = (name: string) => headers.some(([given]) => given.toLowerCase() === name)
  if (as !== undefined && has('authorization'))
    throw new UsageError('--as and an Authorization header are two tokens')
  const body = data as string | undefined
  if (body !== undefined) {
    if (!has('content-type')) headers.push(['Content-Type', 'application/json'])
    if (!has('content-length') && !has('transfer-encoding'))
      headers.push(['Content-Length', String(Buffer.byteLength(body))])
  }
  return { method, target: url, headers, body, from: from as string }
}

function claimsOf({ as }: Values): object | undefined {
  if (as === undefined) return undefined
  if (!(as as string).trimStart().startsWith('{')) return { sub: as }
  try {
    return JSON.parse(as as string)
  } catch {
    throw new UsageError('--as is neither a sub nor claims as JSON')
  }
}

/** Says its host, if the request does not; what is signed by whom is left out of account. */
function send(
  { method, target, headers, body = '', from }: Asked,
  { keys, send }: Rehearsal,
  config: GatewayConfig
): Promise<Rehearsed> {
  const { host, port } = config.listen
  const own = URL.canParse(target) ? new URL(target).host : `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
  const all = headers.some(([name]) => name.toLowerCase() === 'host') ? headers : [['Host', own], ...headers]
  const lines = all.map(([name = '', value = '']) => {
    const [, scheme, token] =
      (name.toLowerCase() === 'authorization' && /^(bearer +)(\S+)$/i.exec(value)) || []
    return `${name}: ${token === undefined ? value : scheme + keys.resign(token)}`
  })
  const head = `${method} ${target} HTTP/1.1\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n`
  return send(Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body)]), from)
}

interface ShownCall {
  upstream: string
  /** Of a split: which the route names. */
  instead?: string
  pattern: string | undefined
  policy: string
  method: string
  /** One for each endpoint that may be chosen. */
  urls: string[]
  headers: Record<string, string>
  body: string | undefined
}

interface Shown extends Omit<Explanation, 'calls'> {
  calls: ShownCall[]
}

/** Characters of a body. */
const MAX_BODY = 4_096

function show(
  explanation: Explanation,
  { exchange }: Rehearsed,
  config: GatewayConfig,
  redactor: Redactor,
  mask: (text: string) => string
): Shown {
  const declared = exchange?.config.calls ?? []
  return {
    ...explanation,
    calls: explanation.calls.map(call => {
      const { upstream, method, path, headers, body } = call
      const options = config.upstreams[upstream] as UpstreamOptions
      const mark = declared.find(one => one.upstream === upstream) ?? declared[0]
      return {
        upstream,
        ...(mark && mark.upstream !== upstream && declared.length === 1 && { instead: mark.upstream }),
        pattern: mark?.pattern,
        policy: policyOf(options),
        method,
        urls: endpointsOf(options).map(base => mask(redactor.url(base + path))),
        headers: Object.fromEntries(
          Object.entries(headers)
            .filter(([, value]) => value !== undefined)
            .map(([name, value]) => [name, mask(redactor.header(name, String(value)))])
        ),
        body: body === undefined || body === '' ? undefined : mask(bodyOf(call, redactor))
      }
    })
  }
}

/** Hides what the path has as a parameter that is a secret by its name, wherever the route puts it. */
function maskOf({ exchange }: Rehearsed, redactor: Redactor): (text: string) => string {
  const params = Object.entries((exchange?.reply.request.params ?? {}) as Record<string, string>)
  const secrets = params
    .filter(([name, value]) => value !== '' && redactor.isSecret(name))
    .flatMap(([, value]) => [value, encodeURIComponent(value)])
  return text => secrets.reduce((masked, secret) => masked.replaceAll(secret, MASK), text)
}

function bodyOf({ body = '', headers, isStreamed }: WouldBeCall, redactor: Redactor): string {
  const shown = redactor.body(body, String(headers['content-type'] ?? ''))
  const cut = shown.length > MAX_BODY ? `${shown.slice(0, MAX_BODY)} …` : shown
  return isStreamed ? `${cut}  (the client's, as it comes)` : cut
}

function endpointsOf({ url, endpoints = [], dns }: UpstreamOptions): string[] {
  if (dns) return [`${dns.protocol}://${dns.name}${dns.port === undefined ? '' : `:${dns.port}`}${dns.path}`]
  return (url === undefined ? endpoints : [{ url }]).map(one => {
    const { origin, base, socketPath } = targetOf(one.url)
    return socketPath === undefined ? origin + base : `unix:${socketPath}:`
  })
}

function policyOf({ url, dns, balance, breaker, retry, timeout, mirror }: UpstreamOptions): string {
  const { attempts, on } = retry ?? UNASKED
  return [
    ...(url === undefined ? [dns ? `by DNS ${dns.type}` : `one endpoint by ${balance.policy}`] : []),
    attempts === 0 ? '1 try' : `${attempts + 1} tries at most (${on.join(' ')})`,
    timeout === 0 ? 'no timeout a try' : `${duration(timeout)} a try`,
    `breaker opens after ${breaker.failures} failures${breaker.rate ? ` or ${breaker.rate.share * 100} %` : ''}`,
    ...(mirror ? [`copied to ${mirror.to}`] : [])
  ].join(', ')
}

function inWords({ steps, calls, answer }: Shown, request: string): string[] {
  const lines = [request, '']
  lines.push(...columns(steps.map(({ outcome, step, detail }) => [outcome, step, plain(detail)])))
  for (const { upstream, instead, policy, method, urls, headers, body } of calls) {
    lines.push('', `to ${upstream}${instead ? ` in the place of ${instead}` : ''}: ${policy}`)
    lines.push(...urls.map((url, i) => `  ${i === 0 ? method : 'or'} ${plain(url)}`))
    lines.push(...Object.entries(headers).map(([name, value]) => `    ${name}: ${plain(value)}`))
    if (body !== undefined) lines.push('', `    ${plain(body)}`)
  }
  if (answer !== undefined) {
    const { status, title, type } = answer
    lines.push(
      '',
      `The answer: ${[status || 'none', title].filter(Boolean).join(' ')}${type ? ` (${type})` : ''}`
    )
  }
  return lines
}
