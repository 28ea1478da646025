import { loadConfig } from '../cluster/config.ts'
import { createRedactor, MASK, type Redactor } from '../observe/redact/redactor.ts'
import { formatDuration } from '../observe/served-routes.ts'
import { targetOf } from '../proxy/endpoints/connection-pool.ts'
import { DEFAULT_RETRY } from '../proxy/retry.ts'
import type { GatewayConfig } from '../schemas/options/gateway.ts'
import type { UpstreamOptions } from '../schemas/options/upstreams.ts'
import { alignColumns, type Command, configOption, jsonOption, sanitize } from './command.ts'
import { type DryRunResult, type PlannedCall, startDryRun } from './dry-run.ts'
import { parseClaims, parseRequest, sendRequest } from './explain-request.ts'
import { type Explanation, explain } from './explanation.ts'

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

Shows what the gateway does with a request: the steps that it passes, where it is stopped and why, and the calls to
services. The real gateway decides, in memory: nothing listens, and nothing is connected to. Tokens are checked except for
their signature. Hooks, transformations and compositions run; a route's own handler does not.

  -c, --config FILE  config file (default: fastify.config.ts)
  -H, --header       request header; may be repeated
  -d, --data BODY    request body; JSON unless a header says otherwise
      --as WHO       send a valid token: a subject, or claims as JSON ({"sub":"ada","roles":["admin"]})
      --from ADDRESS client address (default: 127.0.0.1)
      --json         print JSON

Exits with 1 if the request is stopped.`,
  async run(values, [method = '', url = ''], { print, env }) {
    const request = parseRequest(method, url, values)
    const config = await loadConfig(values.config as string, env)
    const dryRun = await startDryRun(config)
    let result = await sendRequest(request, dryRun, config)
    const claims = parseClaims(values)
    const { issuer } = result.exchange?.config ?? {}
    // The first run tells the issuer of the route; the second one has its token.
    if (claims !== undefined && issuer !== undefined) {
      const { issuer: iss, audience: aud } = config.issuers[issuer] as GatewayConfig['issuers'][string]
      const exp = Math.floor(Date.now() / 1_000) + 300
      const token = dryRun.keys.issue({ iss, aud, exp, ...claims })
      request.headers.push(['Authorization', `Bearer ${token}`])
      result = await sendRequest(request, dryRun, config)
    }
    const redactor = createRedactor(config.redact)
    const mask = createMask(result, redactor)
    const explanation = explain(result, dryRun, config, redactor)
    const shown = { ...explanation, calls: showCalls(explanation, result, config, redactor, mask) }
    const shownUrl = mask(redactor.url(url))
    if (values.json) print(JSON.stringify({ method, url: shownUrl, ...shown }, null, 2))
    else print(...describe(shown, `${method} ${shownUrl}`))
    return explanation.response === undefined || explanation.response.status < 400 ? 0 : 1
  }
}

interface ShownCall {
  upstream: string
  /** The upstream in the route, if a split replaced it. */
  insteadOf?: string
  pattern: string | undefined
  policy: string
  method: string
  /** One per endpoint that may be chosen. */
  urls: string[]
  headers: Record<string, string>
  body: string | undefined
}

interface ShownExplanation extends Omit<Explanation, 'calls'> {
  calls: ShownCall[]
}

/** Characters of a body. */
const MAX_BODY = 4_096

function showCalls(
  { calls }: Explanation,
  { exchange }: DryRunResult,
  config: GatewayConfig,
  redactor: Redactor,
  mask: (text: string) => string
): ShownCall[] {
  const declared = exchange?.config.calls ?? []
  return calls.map(call => {
    const { upstream, method, path, headers, body } = call
    const options = config.upstreams[upstream] as UpstreamOptions
    const ofRoute = declared.find(one => one.upstream === upstream) ?? declared[0]
    const isReplaced = declared.length === 1 && ofRoute?.upstream !== upstream
    return {
      upstream,
      ...(isReplaced && ofRoute && { insteadOf: ofRoute.upstream }),
      pattern: ofRoute?.pattern,
      policy: describePolicy(options),
      method,
      urls: basesOf(options).map(base => mask(redactor.url(base + path))),
      headers: Object.fromEntries(
        Object.entries(headers)
          .filter(([, value]) => value !== undefined)
          .map(([name, value]) => [name, mask(redactor.header(name, String(value)))])
      ),
      body: body === undefined || body === '' ? undefined : mask(showBody(call, redactor))
    }
  })
}

/** Hides the values of path parameters with secret names, wherever they appear. */
function createMask({ exchange }: DryRunResult, redactor: Redactor): (text: string) => string {
  const params = Object.entries((exchange?.reply.request.params ?? {}) as Record<string, string>)
  const secrets = params
    .filter(([name, value]) => value !== '' && redactor.isSecret(name))
    .flatMap(([, value]) => [value, encodeURIComponent(value)])
  return text => secrets.reduce((masked, secret) => masked.replaceAll(secret, MASK), text)
}

function showBody({ body = '', headers, isStreamed }: PlannedCall, redactor: Redactor): string {
  const shown = redactor.body(body, String(headers['content-type'] ?? ''))
  const truncated = shown.length > MAX_BODY ? `${shown.slice(0, MAX_BODY)} …` : shown
  return isStreamed ? `${truncated}  (streamed from the client)` : truncated
}

function basesOf({ url, endpoints = [], dns }: UpstreamOptions): string[] {
  if (dns) return [`${dns.protocol}://${dns.name}${dns.port === undefined ? '' : `:${dns.port}`}${dns.path}`]
  return (url === undefined ? endpoints : [{ url }]).map(one => {
    const { origin, base, socketPath } = targetOf(one.url)
    return socketPath === undefined ? origin + base : `unix:${socketPath}:`
  })
}

function describePolicy({ url, dns, balance, breaker, retry, timeout, mirror }: UpstreamOptions): string {
  const { attempts, on } = retry ?? DEFAULT_RETRY
  const choice = dns ? `DNS ${dns.type}` : `one endpoint by ${balance.policy}`
  const rate = breaker.rate ? ` or ${breaker.rate.ratio * 100} %` : ''
  return [
    ...(url === undefined ? [choice] : []),
    attempts === 0 ? '1 attempt' : `up to ${attempts + 1} attempts (${on.join(' ')})`,
    timeout === 0 ? 'no timeout per attempt' : `${formatDuration(timeout)} per attempt`,
    `breaker opens after ${breaker.failures} failures${rate}`,
    ...(mirror ? [`mirrored to ${mirror.to}`] : [])
  ].join(', ')
}

function describe({ steps, calls, response }: ShownExplanation, request: string): string[] {
  const lines = [request, '']
  lines.push(...alignColumns(steps.map(({ outcome, step, detail }) => [outcome, step, sanitize(detail)])))
  for (const { upstream, insteadOf, policy, method, urls, headers, body } of calls) {
    lines.push('', `call to ${upstream}${insteadOf ? ` instead of ${insteadOf}` : ''}: ${policy}`)
    lines.push(...urls.map((url, i) => `  ${i === 0 ? method : 'or'} ${sanitize(url)}`))
    lines.push(...Object.entries(headers).map(([name, value]) => `    ${name}: ${sanitize(value)}`))
    if (body !== undefined) lines.push('', `    ${sanitize(body)}`)
  }
  if (response !== undefined) {
    const { status, title, type } = response
    const summary = [status || 'none', title].filter(Boolean).join(' ')
    lines.push('', `response: ${summary}${type ? ` (${type})` : ''}`)
  }
  return lines
}
