import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Counters, createCounters } from '../../cluster/counters.ts'
import { MAX_BATCH, MAX_KEY } from '../../plugins/rate-limit/shared.ts'
import type { TierOptions } from '../../schemas/rate-limit.ts'
import { call } from '../harness.ts'
import { until } from '../until.ts'

/** Limits that real processes share through the one that started them, which is this one. */

type Tiers = Record<string, Partial<TierOptions>>

interface Worker {
  child: ChildProcess
  /** The answer's status to a request from that address. */
  ask(tier: string, address: string): Promise<number>
  askFor(tier: string, address: string): ReturnType<typeof call>
}

async function startWorker(t: Test, counters: Counters, tiers: Tiers, workers = 2): Promise<Worker> {
  const child = fork(join(import.meta.dirname, 'limited.ts'), [JSON.stringify(tiers), `${workers}`])
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const [{ url }] = (await once(child, 'message')) as [{ url: string }]
  child.on('message', message =>
    counters.answer(message, reply => child.connected && child.send(reply as never))
  )
  const askFor = (tier: string, address: string) =>
    call(`${url}/${tier}`, { headers: { 'x-forwarded-for': address } })
  return { child, askFor, ask: async (tier, address) => (await askFor(tier, address)).status }
}

const perHour = (limit: number, more: Partial<TierOptions> = {}): Partial<TierOptions> => ({
  limits: [{ limit, window: 3_600_000 } as never],
  ...more
})

const count = (statuses: number[], status: number) => statuses.filter(one => one === status).length

t.test('two processes let through what one may, to the request', async t => {
  const counters = createCounters(1_000)
  const workers = await Promise.all([1, 2].map(() => startWorker(t, counters, { low: perHour(20) })))
  const statuses = await Promise.all(
    Array.from({ length: 60 }, (_, i) => (workers[i % 2] as Worker).ask('low', '192.0.2.1'))
  )
  t.equal(count(statuses, 200), 20)
  t.equal(count(statuses, 429), 40)
  t.equal(await workers[0]?.ask('low', '192.0.2.2'), 200, 'another address has its own')
})

t.test('a worker that takes the place of another finds what has been counted', async t => {
  const counters = createCounters(1_000)
  const first = await startWorker(t, counters, { low: perHour(5), other: perHour(5) })
  for (let i = 0; i < 4; i++) t.equal(await first.ask('low', '192.0.2.1'), 200)
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  const second = await startWorker(t, counters, { low: perHour(5), other: perHour(5) })
  t.match((await second.askFor('low', '192.0.2.1')).headers.get('ratelimit'), '"low";r=0;')
  t.equal(await second.ask('low', '192.0.2.1'), 429)
  t.equal(await second.ask('other', '192.0.2.1'), 200)
})

t.test('a limit that is changed goes on from what has been counted; a new window starts anew', async t => {
  const counters = createCounters(1_000)
  const before = await startWorker(t, counters, { low: perHour(5) })
  for (let i = 0; i < 4; i++) t.equal(await before.ask('low', '192.0.2.1'), 200)

  const higher = await startWorker(t, counters, { low: perHour(7) })
  t.match((await higher.askFor('low', '192.0.2.1')).headers.get('ratelimit'), '"low";r=2;')
  t.equal(await before.ask('low', '192.0.2.1'), 429, 'by the old limit there is nothing left')
  t.equal(await higher.ask('low', '192.0.2.1'), 200)

  const more = {
    low: { limits: [{ limit: 7, window: 3_600_000 } as never, { limit: 3, window: 60_000 } as never] }
  }
  const added = await startWorker(t, counters, more)
  t.match(
    (await added.askFor('low', '192.0.2.1')).headers.get('ratelimit'),
    '"low-3600s";r=0;',
    'a limit beside another changes nothing of it'
  )
  const window = await startWorker(t, counters, {
    low: { limits: [{ limit: 5, window: 7_200_000 } as never] }
  })
  t.match((await window.askFor('low', '192.0.2.1')).headers.get('ratelimit'), '"low";r=4;')
})

t.test('leases cost few messages, and let through no more than a hundredth a worker beyond', async t => {
  let messages = 0
  const counters = createCounters(1_000)
  const counting: Counters = {
    answer(message, send) {
      messages++
      return counters.answer(message, send)
    }
  }
  const limit = 2_000
  const workers = await Promise.all([1, 2].map(() => startWorker(t, counting, { high: perHour(limit) })))
  let passed = 0
  for (let round = 0; round < 150; round++) {
    const statuses = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (workers[i % 2] as Worker).ask('high', '192.0.2.1'))
    )
    passed += count(statuses, 200)
  }
  t.comment(`${passed} of 3,000 under a limit of ${limit}, ${messages} messages`)
  t.ok(passed <= limit + 2 * (limit / 100), `${passed} were let through`)
  t.ok(passed >= limit * 0.95, `${passed} were let through`)
  t.ok(messages < 1_500, `${messages} messages`)
})

const WAYS = {
  'is gone': (worker: Worker) => worker.child.disconnect(),
  'does not answer': (worker: Worker) => worker.child.removeAllListeners('message')
}

for (const [way, leave] of Object.entries(WAYS)) {
  t.test(`while the supervisor ${way}, each tier does what it was told`, async t => {
    const tiers = {
      open: perHour(6, { redisAway: 'open', counting: 'exact' }),
      closed: perHour(6, { redisAway: 'closed', counting: 'exact' }),
      local: perHour(6, { redisAway: 'local', counting: 'exact' })
    }
    const counters = createCounters(1_000)
    const worker = await startWorker(t, counters, tiers)
    for (const tier of Object.keys(tiers)) {
      const answer = await worker.askFor(tier, '192.0.2.1')
      t.equal(answer.headers.get('ratelimit'), `"${tier}";r=5;t=3600`)
    }
    leave(worker)
    for (let i = 0; i < 8; i++) {
      const answer = await worker.askFor('open', '192.0.2.1')
      t.equal(answer.status, 200)
      t.equal(answer.headers.get('ratelimit'), null)
    }
    const closed = await worker.askFor('closed', '192.0.2.1')
    t.match(closed, { status: 503, json: { title: 'Limits cannot be checked at the moment' } })
    const local: number[] = []
    for (let i = 0; i < 4; i++) local.push(await worker.ask('local', '192.0.2.1'))
    t.strictSame(local, [200, 200, 200, 429], 'its share of two workers')

    if (way === 'is gone') return
    worker.child.on('message', message =>
      counters.answer(message, reply => worker.child.send(reply as never))
    )
    await until(async () => (await worker.ask('closed', '192.0.2.3')) === 200)
    t.match((await worker.askFor('local', '192.0.2.1')).headers.get('ratelimit'), '"local";r=4;')
  })
}

t.test('what is no message for the counters is not answered', async t => {
  const counters = createCounters(10)
  const limits = [{ limit: 1, window: 1_000, algorithm: 'sliding-window' }]
  const good = { type: 'checks', number: 1, tiers: [{ name: 'free', limits }], checks: [['k', 0, 1]] }
  const sent: unknown[] = []
  const answer = (message: unknown) => counters.answer(message, reply => sent.push(reply))
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
