import { connect } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { pino } from 'pino'
import type { Test } from 'tap'
import type { GatewayDefinition } from '../../../config/define-gateway.ts'
import type { Cause } from '../../../http/cause.ts'
import { startGateway } from '../../../testing.ts'
import { until } from '../../until.ts'

type Entry = Record<string, unknown> & { msg: string }

/** A gateway whose log the test reads. */
export interface Staged {
  gateway: FastifyInstance
  url: string
  entries: Entry[]
}

export async function startStage(t: Test, definition: GatewayDefinition): Promise<Staged> {
  const entries: Entry[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => entries.push(JSON.parse(line)) })
  const { gateway, url } = await startGateway(t, definition, {
    logger: logger as unknown as FastifyBaseLogger
  })
  return { gateway, url, entries }
}

/** A failure that a test has staged, as operators must see it. */
export interface Expected {
  cause: Cause
  /** Status in the log. */
  status: number
  detail?: RegExp
  upstream?: string
  endpoint?: string
}

/** Checks that log, recorder, HAR and metrics have the cause of the request with this id. */
export async function checkCause(
  t: Test,
  { gateway, entries }: Staged,
  id: string,
  { cause, status, detail, upstream, endpoint }: Expected
): Promise<void> {
  const wanted = { cause, status, ...(detail && { causeDetail: detail }), ...(endpoint && { endpoint }) }
  const isOf = (entry: Entry) => entry.reqId === id && entry.msg.startsWith('exchange')
  await until(() => entries.some(isOf))
  const entry = entries.find(isOf) as Entry
  t.match(entry, wanted, `${id}: log`)
  if (detail === undefined) t.equal(entry.causeDetail, undefined, `${id}: no detail`)
  if (endpoint === undefined) t.equal(entry.endpoint, undefined, `${id}: no endpoint`)

  const recorder = gateway.recorder as NonNullable<typeof gateway.recorder>
  const [summary] = recorder.list({ cause, requestId: id })
  const { status: _, ...members } = wanted
  t.match(summary, members, `${id}: recorder`)
  const other = cause === 'gateway-error' ? 'no-route' : 'gateway-error'
  t.equal(recorder.list({ cause: other, requestId: id }).length, 0, `${id}: filter`)
  const har = recorder.har({ requestId: id }) as { log: { entries: Record<string, any>[] } }
  const own = har.log.entries.find(({ _sluice }) => _sluice.requestId === id)
  t.match(own?.comment, cause, `${id}: HAR comment`)
  t.match(own?._sluice, members, `${id}: HAR`)

  const counter = gateway.metrics?.getSingleMetric('sluice_exchange_failures_total')
  const values = (await counter?.get())?.values ?? []
  const series = values.filter(
    ({ labels }) =>
      labels.cause === cause && labels.scope === (entry.scope ?? '') && labels.upstream === (upstream ?? '')
  )
  t.match(series, [{ value: Number }], `${id}: metrics`)
}

/** Sends bytes and reads until the connection ends, or the first bytes of a response have come. */
export function sendRaw(url: string, text: string): Promise<string> {
  return new Promise(resolve => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.on('error', () => resolve(''))
    socket.once('data', bytes => {
      resolve(String(bytes))
      socket.destroy()
    })
    socket.once('close', () => resolve(''))
    socket.write(text)
  })
}
