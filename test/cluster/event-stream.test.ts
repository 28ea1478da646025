import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createEventStream } from '../../cluster/event-stream.ts'
import { until } from '../until.ts'

const OPTIONS = { interval: 20, maxAge: 60_000, maxReaders: 2 }

function collect(stream: Readable): () => string {
  let text = ''
  stream.setEncoding('utf8').on('data', chunk => {
    text += chunk
  })
  return () => text
}

t.test('one poll serves all readers, and nothing is polled without readers', async t => {
  let polls = 0
  let others = 0
  const events = createEventStream({ one: () => ({ polls: ++polls }), other: () => ++others }, OPTIONS)
  await sleep(60)
  t.equal(polls, 0)
  const [first, second] = [events.follow(['one']), events.follow(['one'])] as [Readable, Readable]
  t.equal(events.follow(['one']), undefined, 'too many readers')
  const texts = [collect(first), collect(second)]
  await until(() => texts.every(text => text().includes('"polls":3}')))
  for (const text of texts)
    t.match(text(), /^retry: 20\n\n(event: (one\ndata: \{"polls":|poll\ndata: \{"at":)\d+.*\}\n\n)+$/)
  for (const text of texts) t.equal(text().match(/"polls":3}/g)?.length, 1)
  t.equal(others, 0)
  first.destroy()
  second.destroy()
  await Promise.all([once(first, 'close'), once(second, 'close')])
  const before = polls
  await sleep(100)
  t.ok(polls <= before + 1, 'a poll that ran may end')
  const third = events.follow(['other']) as Readable
  const text = collect(third)
  await until(() => text().includes('event: other'))
  events.close()
  await until(() => third.readableEnded)
})

t.test('a state that has not changed is not sent again, and a failing topic is skipped', async t => {
  let polls = 0
  const events = createEventStream(
    {
      same: () => [++polls > 0],
      failing: () => {
        throw new Error('no worker responds')
      }
    },
    OPTIONS
  )
  const stream = events.follow(['failing', 'same']) as Readable
  const text = collect(stream)
  await until(() => polls > 4)
  t.equal(text().match(/event: same\ndata: \[true\]/g)?.length, 1)
  t.match(text(), /(event: poll\ndata: \{"at":\d+,"failed":\["failing"\]\}\n\n){2}$/)
  stream.destroy()
})

t.test('a slow reader skips states instead of queueing them', async t => {
  let state = 0
  const large = 'x'.repeat(1_000_000)
  const events = createEventStream({ one: () => ({ state: ++state, large }) }, OPTIONS)
  const server = createServer((_request, response) => void events.follow(['one'])?.pipe(response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}`)
  await until(() => state > 60)
  const before = process.memoryUsage().rss
  await until(() => state > 120)
  t.ok(process.memoryUsage().rss - before < 40_000_000)
  let text = ''
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString('latin1')
    if (/"state":1\d\d,/.test(text)) break
  }
  const states = [...text.matchAll(/"state":(\d+)/g)].map(([, number]) => Number(number))
  t.ok(states.length < 20, `${states}`)
  t.same(
    states,
    [...states].sort((a, b) => a - b)
  )
})

t.test('a stream ends after its time, so that access is checked again', async t => {
  const events = createEventStream({ one: () => 1 }, { ...OPTIONS, maxAge: 50 })
  const stream = events.follow(['one']) as Readable
  const text = collect(stream)
  await until(() => stream.readableEnded)
  t.match(text(), 'event: one')
})
