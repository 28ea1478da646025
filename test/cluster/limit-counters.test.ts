import { once } from 'node:events'
import t from 'tap'
import { createLimitCounters, type LimitCounters } from '../../cluster/limit-counters.ts'
import { MAX_BATCH } from '../../limits/limiter.ts'
import { type Checks, MAX_KEY } from '../../limits/supervisor-messages.ts'
import { type LimitedWorker, perHour, startLimited } from './limited-worker.ts'

/** Limits that real processes share through the one that started them, which is this one. */

const count = (statuses: number[], status: number) => statuses.filter(one => one === status).length

t.test('two processes together let through exactly one limit', async t => {
  const counters = createLimitCounters(1_000)
  const workers = await Promise.all([1, 2].map(() => startLimited(t, counters, { low: perHour(20) })))
  const statuses = await Promise.all(
    Array.from({ length: 60 }, (_, i) => (workers[i % 2] as LimitedWorker).ask('low', '192.0.2.1'))
  )
  t.equal(count(statuses, 200), 20)
  t.equal(count(statuses, 429), 40)
  t.equal(await workers[0]?.ask('low', '192.0.2.2'), 200, 'another address has its own')
})

t.test('a restarted worker finds the counters of the one it replaces', async t => {
  const counters = createLimitCounters(1_000)
  const first = await startLimited(t, counters, { low: perHour(5), other: perHour(5) })
  for (let i = 0; i < 4; i++) t.equal(await first.ask('low', '192.0.2.1'), 200)
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  const second = await startLimited(t, counters, { low: perHour(5), other: perHour(5) })
  t.match((await second.askFor('low', '192.0.2.1')).headers.get('ratelimit'), '"low";r=0;')
  t.equal(await second.ask('low', '192.0.2.1'), 429)
  t.equal(await second.ask('other', '192.0.2.1'), 200)
})

t.test('a changed limit keeps its counters; a changed window starts at zero', async t => {
  const counters = createLimitCounters(1_000)
  const limits = (...all: [limit: number, window: number][]) => ({
    low: { limits: all.map(([limit, window]) => ({ limit, window }) as never) }
  })
  const [before, higher, added, window] = (await Promise.all(
    [
      limits([5, 3_600_000]),
      limits([7, 3_600_000]),
      limits([7, 3_600_000], [3, 60_000]),
      limits([5, 7_200_000])
    ].map(tiers => startLimited(t, counters, tiers))
  )) as [LimitedWorker, LimitedWorker, LimitedWorker, LimitedWorker]
  for (let i = 0; i < 4; i++) t.equal(await before.ask('low', '192.0.2.1'), 200)

  t.match((await higher.askFor('low', '192.0.2.1')).headers.get('ratelimit'), '"low";r=2;')
  t.equal(await before.ask('low', '192.0.2.1'), 429, 'by the old limit there is nothing left')
  for (const status of [200, 200, 429]) t.equal(await higher.ask('low', '192.0.2.1'), status)

  t.match(
    (await added.askFor('low', '192.0.2.1')).headers.get('ratelimit'),
    '"low-3600s";r=6;t=3600, "low-60s";r=2;'
  )
  t.match((await window.askFor('low', '192.0.2.1')).headers.get('ratelimit'), '"low";r=4;')
})

t.test('leases ask the supervisor rarely, and exceed the limit by at most 1 % per worker', async t => {
  let asked = 0
  const counters = createLimitCounters(1_000)
  const counting: LimitCounters = {
    reply(message, send) {
      asked += (message as Partial<Checks>).checks?.length ?? 0
      return counters.reply(message, send)
    }
  }
  const limit = 1_000
  const workers = await Promise.all([1, 2].map(() => startLimited(t, counting, { high: perHour(limit) })))
  let passed = 0
  for (let round = 0; round < 75; round++) {
    const statuses = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (workers[i % 2] as LimitedWorker).ask('high', '192.0.2.1'))
    )
    passed += count(statuses, 200)
  }
  t.comment(`${passed} of 1,500 under a limit of ${limit}, ${asked} were asked for`)
  t.ok(passed <= limit + 2 * (limit / 100), `${passed} were let through`)
  t.ok(passed >= limit * 0.95, `${passed} were let through`)
  t.ok(asked < 750, `${asked} were asked for`)
})

t.test('other messages get no response from the counters', async t => {
  const counters = createLimitCounters(10)
  const limits = [{ limit: 1, window: 1_000, algorithm: 'sliding-window' }]
  const good = { type: 'checks', number: 1, tiers: [{ name: 'free', limits }], checks: [['k', 0, 1]] }
  const sent: unknown[] = []
  const answer = (message: unknown) => counters.reply(message, reply => sent.push(reply))
  for (const message of [
    undefined,
    null,
    'checks',
    {},
    { type: 'other' },
    { type: 'checks' },
    { ...good, tiers: [{ name: 'free', limits: [] }] },
    {
      ...good,
      tiers: [{ name: 'free', limits: [{ limit: 0, window: 1_000, algorithm: 'sliding-window' }] }]
    },
    { ...good, checks: [['k', 1, 1]] },
    { ...good, checks: [['k', 0, -1]] },
    { ...good, checks: [['k'.repeat(MAX_KEY + 1), 0, 1]] },
    { ...good, checks: Array.from({ length: MAX_BATCH + 1 }, () => ['k', 0, 1]) }
  ])
    t.equal(answer(message), false, JSON.stringify(message)?.slice(0, 80))
  t.strictSame(sent, [])
  t.ok(answer(good))
  t.match(sent, [{ type: 'decisions', number: 1, states: [1, 0, 1_000] }])
})
