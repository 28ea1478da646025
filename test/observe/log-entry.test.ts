import t from 'tap'
import type { Exchange } from '../../http/exchange.ts'
import { type ExchangeRecord, SharedFields } from '../../observe/exchange-record.ts'
import { toLogEntry } from '../../observe/log-entry.ts'

/** Microseconds. */
const TIMES = [-1, 0, 7, 999, 1_000, 999_999, 1_000_000, 2 ** 31, 3_000_000_000_123]
const SIZES = [-1, 0, 10, 9_999_999, 10_000_000, 2 ** 31 - 1, 2 ** 31, Number.MAX_SAFE_INTEGER]
const TEXTS = [
  undefined,
  'ada',
  '',
  '"\\\n',
  'é€😀',
  'x'.repeat(64),
  `${'x'.repeat(64)}"`,
  '\ud800',
  '\u007f'
]

t.test('an entry is JSON with the values of its exchange, in one order', t => {
  const config = { scope: 'café', version: 'v2' }
  const outcomes = ['/é€😀/:id', undefined].map(
    route => new SharedFields({ route, config, attempts: 0 } as unknown as Exchange, 'GET', 200)
  )
  let i = 0
  let count = 0
  for (const shared of outcomes)
    for (const sample of [undefined, 0.25])
      for (const durationUs of TIMES.slice(1))
        for (const bytesSent of SIZES)
          for (const text of TEXTS) {
            const queue = durationUs > 0 ? (TIMES[i % TIMES.length] as number) : -1
            const send = queue < 0 ? -1 : (TIMES[(i * 5) % TIMES.length] as number)
            const abortReason = i % 3 === 0 ? text : undefined
            const clientAddress = i % 2 === 0 ? '2001:db8::1' : undefined
            const path = i % 5 === 0 ? text : undefined
            const id = `id-${i++}`
            const trace = i.toString(16).padStart(32, 'a')
            // No stage takes longer than the exchange.
            const [queueUs, sendUs] = [Math.min(queue, durationUs), Math.min(send, durationUs)]
            const bytesReceived = Math.min(bytesSent, i)
            const record = {
              ...{ shared, id, traceparent: `00-${trace}-00f067aa0ba902b7-01`, consumer: text, abortReason },
              ...{ clientAddress, bytesReceived, bytesSent, durationUs, queueUs, upstreamUs: queueUs, sendUs }
            }
            const expected = {
              ...{ reqId: id, trace, method: 'GET', ...(shared.route && { route: shared.route }), ...config },
              ...{
                status: 200,
                ...(path !== undefined && { path }),
                ...(clientAddress && { clientAddress })
              },
              ...(text !== undefined && { consumer: text }),
              ...(bytesSent >= 0 && { bytesReceived, bytesSent }),
              durationMs: durationUs / 1_000,
              ...(queueUs >= 0 && { queueMs: queueUs / 1_000, upstreamMs: queueUs / 1_000 }),
              ...(sendUs >= 0 && { sendMs: sendUs / 1_000 }),
              ...(sample && { sample }),
              ...(abortReason !== undefined && { abortReason })
            }
            const entry = `{${toLogEntry(record as ExchangeRecord, path, sample)}}`
            count++
            if (entry !== JSON.stringify(expected)) t.equal(entry, JSON.stringify(expected))
          }
  t.equal(count, outcomes.length * 2 * (TIMES.length - 1) * SIZES.length * TEXTS.length)
  t.end()
})
