import t from 'tap'
import type { Exchange } from '../../http/exchange.ts'
import { Octets } from '../../observe/byte-buffer.ts'
import type { Ended } from '../../observe/exchange-record.ts'
import { Outcome } from '../../observe/outcome.ts'
import { createMembers } from '../../plugins/access-log.ts'

/** Microseconds. */
const TIMES = [-1, 0, 7, 999, 1_000, 999_999, 1_000_000, 2 ** 31, 3_000_000_000_123]
const SIZES = [-1, 0, 10, 9_999_999, 10_000_000, 2 ** 31 - 1, 2 ** 31, Number.MAX_SAFE_INTEGER]
const TEXTS = [undefined, 'ada', '', '"\\\n', 'é€😀', 'x'.repeat(64), `${'x'.repeat(64)}"`, '\ud800']

t.test('a line says what its exchange was, whatever that is', t => {
  const config = { scope: 'café', version: 'v2' }
  const outcomes = ['/é€😀/:id', undefined].map(
    route => new Outcome({ route, config, attempts: 0 } as unknown as Exchange, 'GET', 200)
  )
  const members = [undefined, 0.25].map(sample => ({ sample, add: createMembers(sample) }))
  // Too little for a line, so that it is made larger as it goes.
  const octets = new Octets(Buffer.allocUnsafe(8))
  const expected: object[] = []
  let i = 0
  for (const outcome of outcomes)
    for (const { sample, add } of members)
      for (const elapsed of TIMES.slice(1))
        for (const bytesOut of SIZES)
          for (const text of TEXTS) {
            const admit = elapsed > 0 ? (TIMES[i % TIMES.length] as number) : -1
            const send = admit < 0 ? -1 : (TIMES[(i * 5) % TIMES.length] as number)
            const cut = i % 3 === 0 ? text : undefined
            const id = `id-${i++}`
            const trace = i.toString(16).padStart(32, 'a')
            // No stage takes longer than all of them.
            const [first, last] = [Math.min(admit, elapsed), Math.min(send, elapsed)]
            const bytesIn = Math.min(bytesOut, i)
            const ended = {
              ...{ outcome, id, traceparent: `00-${trace}-00f067aa0ba902b7-01`, consumer: text, cut },
              ...{ bytesIn, bytesOut, elapsed, admit: first, wait: first, send: last }
            }
            add(ended as Ended, octets)
            octets.ascii('\n')
            expected.push({
              ...{ method: 'GET', ...(outcome.route && { route: outcome.route }), ...config, status: 200 },
              ...{ trace, ...(bytesOut >= 0 && { in: bytesIn, out: bytesOut }), ms: elapsed / 1_000 },
              ...(first >= 0 && { admit: first / 1_000, wait: first / 1_000 }),
              ...(last >= 0 && { send: last / 1_000 }),
              ...(sample && { sample }),
              ...{ msg: cut === undefined ? 'exchange' : 'exchange cut short', reqId: id },
              ...(text !== undefined && { consumer: text }),
              ...(cut !== undefined && { cut })
            })
          }
  const lines = octets.toString().trimEnd().split('\n')
  t.same(
    lines.map(line => JSON.parse(`{${line}}`)),
    expected
  )
  t.end()
})
