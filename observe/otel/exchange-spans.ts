import type { Attributes, SpanContext } from '@opentelemetry/api'
import type { Logger } from 'pino'
import { consumerOf } from '../../auth/consumer.ts'
import { clientAddress } from '../../http/client-address.ts'
import type { Exchange, ExchangeListener } from '../../http/exchange.ts'
import { protocolOf } from '../../http/host.ts'
import { passedTraceparent, passedTracestate } from '../../http/trace-context.ts'
import type { OtelPluginOptions } from '../../schemas/options/otel.ts'
import type { Redactor } from '../redact/redactor.ts'
import { SpanClock, SpanTree } from './span-tree.ts'
import type { TracerOf } from './tracing.ts'

/** Bits of trace flags (W3C Trace Context level 2, 2.2.2). */
const SAMPLED = 1
const RANDOM = 2

/** Returns the listeners that start and end the SERVER span of each exchange, by the semantic conventions for HTTP. */
export function createExchangeSpans(
  from: TracerOf,
  redactor: Redactor,
  options: OtelPluginOptions
): { start: ExchangeListener; end: ExchangeListener } {
  const { api, tracer } = from
  const { ROOT_CONTEXT, SpanKind, trace } = api

  return { start, end }

  function start(exchange: Exchange): void {
    const { reply, route, startedAt } = exchange
    const { method } = reply.request
    const parent = parentOf(exchange)
    const clock = new SpanClock()
    const span = tracer.startSpan(
      nameOf(method, route),
      { kind: SpanKind.SERVER, startTime: clock.toTime(startedAt) },
      parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent)
    )
    const { traceId, spanId, traceFlags } = span.spanContext()
    // The SDK draws random trace ids, and knows no flag but `sampled`.
    const flags = (traceFlags & SAMPLED) | (parent === undefined ? RANDOM : parent.traceFlags & RANDOM)
    exchange.traceparent = `00-${traceId}-${spanId}-0${flags}`
    exchange.span = span
    // Fastify's own child logger; the accessLog plugin's adds the ids itself, if it logs at all.
    const log = reply.request.log as Partial<Logger>
    if (log !== reply.server.log) log.setBindings?.({ trace: traceId, span: spanId })
    if (!span.isRecording()) return
    exchange.trace = new SpanTree(span, from, clock)
    span.setAttributes(connectionOf(exchange))
  }

  /** Attributes that cannot be read once the connection is closed. */
  function connectionOf({ reply }: Exchange): Attributes {
    const { request } = reply
    const attributes: Attributes = { 'url.scheme': protocolOf(request) }
    if (options.clientAddress) attributes['client.address'] = clientAddress(request)
    if (options.serverAddress) Object.assign(attributes, addressOf(request.host))
    return attributes
  }

  function parentOf({ reply }: Exchange): SpanContext | undefined {
    const { headers } = reply.request
    const given = passedTraceparent(headers.traceparent)
    if (given === undefined) return undefined
    const tracestate = headers.tracestate === undefined ? undefined : passedTracestate(headers)
    return {
      traceId: given.slice(3, 35),
      spanId: given.slice(36, 52),
      traceFlags: Number.parseInt(given.slice(53), 16),
      isRemote: true,
      ...(tracestate !== undefined && { traceState: api.createTraceState(tracestate) })
    }
  }

  function end(exchange: Exchange): void {
    const { trace, cause, isFailed, status, endedAt } = exchange
    if (trace === undefined) return
    trace.span.setAttributes(attributesOf(exchange))
    trace.end(trace.span, isFailed ? (cause ?? String(status)) : undefined, endedAt)
  }

  function attributesOf(exchange: Exchange): Attributes {
    const { reply, route, config, tier, decision, attempts, cache, cause, causeDetail } = exchange
    const { request, raw: response } = reply
    const { raw, method } = request
    const [path, query] = splitAt(redactor.url(raw.url as string, route), '?')
    const attributes: Attributes = {
      'http.request.method': KNOWN_METHODS.has(method) ? method : '_OTHER',
      'url.path': path,
      'network.protocol.version': raw.httpVersionMajor === 2 ? '2' : raw.httpVersion,
      'sluice.request_id': request.id
    }
    if (query !== undefined) attributes['url.query'] = query
    if (!KNOWN_METHODS.has(method)) attributes['http.request.method_original'] = method
    if (route !== undefined) attributes['http.route'] = route
    if (response.headersSent) attributes['http.response.status_code'] = response.statusCode
    if (exchange.isGrpc) {
      attributes['rpc.system.name'] = 'grpc'
      if (exchange.grpcStatus !== undefined)
        attributes['rpc.response.status_code'] = String(exchange.grpcStatus)
    }
    if (config.scope !== undefined) attributes['sluice.scope'] = config.scope
    if (config.version !== undefined) attributes['sluice.version'] = config.version
    if (decision !== undefined) {
      attributes['sluice.limit'] = decision
      attributes['sluice.tier'] = tier
    }
    if (attempts > 0) attributes['sluice.attempts'] = attempts
    if (cache !== undefined) attributes['sluice.cache'] = cache
    if (cause !== undefined) attributes['sluice.cause'] = cause
    if (causeDetail !== undefined) attributes['sluice.cause_detail'] = causeDetail
    if (options.consumer) attributes['sluice.consumer'] = consumerOf(request)
    return attributes
  }
}

/** `{method} {route}`; an unknown method, of which there may be any number, is `HTTP`. */
function nameOf(method: string, route: string | undefined): string {
  const known = KNOWN_METHODS.has(method) ? method : 'HTTP'
  return route === undefined ? known : `${known} ${route}`
}

/** RFC 9110, PATCH (RFC 5789) and QUERY. */
const KNOWN_METHODS = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'QUERY',
  'TRACE'
])

function splitAt(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

/** Returns the attributes of a host with or without a port. */
function addressOf(host: string): Attributes {
  const [, address, port] = /^(.*?)(?::(\d+))?$/.exec(host) ?? []
  if (!address) return {}
  return { 'server.address': address, ...(port !== undefined && { 'server.port': Number(port) }) }
}
