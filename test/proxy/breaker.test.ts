import t from 'tap'
import type { Failure } from '../../http/cause.ts'
import { createBreaker } from '../../proxy/breaker.ts'
import type { Breaker, BreakerState, Permit } from '../../proxy/breaker-types.ts'
import { machineNow } from '../../proxy/machine-clock.ts'
import type { BreakerOptions } from '../../schemas/options/upstreams.ts'
import { createClock } from '../../testing.ts'
import { until } from '../until.ts'

const options: BreakerOptions = { failures: 5, resetTimeout: 20, halfOpenRequests: 3, shared: true }

function start(t: Tap, overrides: Partial<BreakerOptions> = {}, now?: () => number) {
  const changes: BreakerState[] = []
  const waiting: (() => void)[] = []
  const onChange = (state: BreakerState) => {
    changes.push(state)
    for (const resolve of waiting.splice(0)) resolve()
  }
  const breaker = createBreaker('orders', { ...options, ...overrides }, onChange, now)
  // opossum's reset timer does not keep the process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => {
    clearInterval(alive)
    breaker.close()
  })
  const change = () => new Promise<void>(resolve => waiting.push(resolve))
  return { breaker, changes, change }
}
type Tap = { teardown(end: () => void): void }

function fail(breaker: Breaker, times: number): void {
  for (let i = 0; i < times; i++) breaker.report(breaker.admit() as Permit, 'failure')
}

t.test(
  'opens after five failures in a row, not after four, and not on the first (opossum note 1)',
  async t => {
    const { breaker } = start(t)
    fail(breaker, 4)
    t.equal(breaker.state, 'closed')
    fail(breaker, 1)
    t.equal(breaker.state, 'open')
    t.equal(breaker.admit(), undefined)
    t.match(breaker.counts(), { failures: 5, successes: 0, calls: 5, rejected: 1, opened: 1 })
  }
)

t.test('a success resets the count of failures; a 4xx and a disconnect do not', async t => {
  const { breaker } = start(t)
  fail(breaker, 4)
  breaker.report(breaker.admit() as Permit, 'success')
  fail(breaker, 4)
  t.equal(breaker.state, 'closed')
  breaker.report(breaker.admit() as Permit, 'answered')
  breaker.report(breaker.admit() as Permit, 'neutral')
  t.equal(breaker.state, 'closed', 'neither is a failure (opossum note 2)')
  fail(breaker, 1)
  t.equal(breaker.state, 'open', 'nor a success (opossum note 4)')
})

t.test('goes through its cycle: open, half-open, open again, half-open, closed', async t => {
  const { breaker, changes, change } = start(t)
  fail(breaker, 5)
  await change()
  t.equal(breaker.state, 'half-open')
  const permits = [breaker.admit(), breaker.admit(), breaker.admit()] as Permit[]
  t.notOk(permits.includes(undefined as never), 'three half-open requests are admitted (opossum note 7)')
  t.equal(breaker.admit(), undefined, 'and not a fourth')
  breaker.report(permits[0] as Permit, 'success')
  t.equal(breaker.state, 'half-open', 'one passed half-open request is not enough')
  breaker.report(permits[1] as Permit, 'failure')
  t.equal(breaker.state, 'open', 'one failed half-open request opens')
  breaker.report(permits[2] as Permit, 'success')
  t.equal(breaker.state, 'open', 'a late half-open request changes nothing')

  await change()
  for (const permit of [breaker.admit(), breaker.admit(), breaker.admit()])
    breaker.report(permit as Permit, 'success')
  t.equal(breaker.state, 'closed')
  t.same(changes, ['open', 'half-open', 'open', 'half-open', 'closed'])
})

t.test('a success that started before it opened does not close it (opossum note 3)', async t => {
  const { breaker, change } = start(t)
  const early = breaker.admit() as Permit
  fail(breaker, 5)
  breaker.report(early, 'success')
  t.equal(breaker.state, 'open')
  await change()
  const late = Array.from({ length: 5 }, () => early)
  for (const permit of late) breaker.report(permit, 'success')
  t.equal(breaker.state, 'half-open')
})

t.test('a failure that started before it closed does not open it', async t => {
  const { breaker, change } = start(t, { failures: 1 })
  const early = [breaker.admit(), breaker.admit(), breaker.admit()] as Permit[]
  breaker.report(early[0] as Permit, 'failure')
  await change()
  for (const permit of [breaker.admit(), breaker.admit(), breaker.admit()])
    breaker.report(permit as Permit, 'success')
  t.equal(breaker.state, 'closed')
  breaker.report(early[1] as Permit, 'failure')
  t.equal(breaker.state, 'closed')
})

t.test('a neutral half-open request frees its place (opossum note 6)', async t => {
  const { breaker, change } = start(t, { halfOpenRequests: 1 })
  fail(breaker, 5)
  await change()
  for (let i = 0; i < 10; i++) breaker.report(breaker.admit() as Permit, 'neutral')
  t.equal(breaker.state, 'half-open')
  breaker.report(breaker.admit() as Permit, 'success')
  t.equal(breaker.state, 'closed')
})

t.test('a half-open request with a 4xx passes, since the service is up', async t => {
  const { breaker, change } = start(t, { halfOpenRequests: 2 })
  fail(breaker, 5)
  await change()
  for (let i = 0; i < 2; i++) breaker.report(breaker.admit() as Permit, 'answered')
  t.equal(breaker.state, 'closed')
})

t.test('hanging half-open requests free their places, and count when they end', async t => {
  const { now, turn } = createClock(1_000_000)
  const { breaker, change } = start(t, { halfOpenRequests: 2 }, now)
  fail(breaker, 5)
  await change()
  const hanging = [breaker.admit(), breaker.admit()] as Permit[]
  turn(19)
  t.equal(breaker.admit(), undefined)
  turn(1)
  const next = breaker.admit() as Permit
  breaker.report(hanging[0] as Permit, 'neutral')
  t.not(breaker.admit(), undefined)
  t.equal(breaker.admit(), undefined, 'a freed place is not freed twice')
  breaker.report(next, 'success')
  t.equal(breaker.state, 'half-open')
  breaker.report(hanging[1] as Permit, 'success')
  t.equal(breaker.state, 'closed')
})

t.test('a half-open request passes with the headers of an endless response, once', async t => {
  const { breaker, change } = start(t, { halfOpenRequests: 2 })
  fail(breaker, 5)
  await change()
  const [stream, call] = [breaker.admit(), breaker.admit()] as Permit[]
  t.ok(breaker.isHalfOpenRequest(stream as Permit))
  breaker.pass(stream as Permit)
  t.equal(breaker.state, 'half-open')
  breaker.report(call as Permit, 'success')
  t.equal(breaker.state, 'closed')
  t.notOk(breaker.isHalfOpenRequest(stream as Permit))
})

t.test('an endless response ends a run of failures', async t => {
  const { breaker } = start(t)
  fail(breaker, 4)
  const stream = breaker.admit() as Permit
  breaker.pass(stream)
  fail(breaker, 4)
  t.equal(breaker.state, 'closed')
  breaker.report(stream, 'failure')
  t.equal(breaker.state, 'open', 'it counts as a failure if it breaks')
})

t.test('failures from before it opened do not count after it closed', async t => {
  const rate = { ratio: 0.5, minimumCalls: 4, window: 60_000 }
  const { breaker, change } = start(t, { failures: 1_000, rate, halfOpenRequests: 1 })
  fail(breaker, 4)
  t.equal(breaker.state, 'open')
  await change()
  breaker.report(breaker.admit() as Permit, 'success')
  t.equal(breaker.state, 'closed')
  fail(breaker, 3)
  t.equal(breaker.state, 'closed', 'below the minimum of calls')
  t.equal(breaker.counts().failures, 7, 'counts() shows the whole window')
  fail(breaker, 1)
  t.equal(breaker.state, 'open')
})

t.test('slow calls from before it opened do not count after it closed', async t => {
  const slow = { threshold: 100, ratio: 0.5, minimumCalls: 4 }
  const { breaker, change } = start(t, { slow, halfOpenRequests: 1 })
  for (let i = 0; i < 4; i++) breaker.report(breaker.admit() as Permit, 'success', 100)
  t.equal(breaker.state, 'open')
  await change()
  breaker.report(breaker.admit() as Permit, 'success')
  for (let i = 0; i < 3; i++) breaker.report(breaker.admit() as Permit, 'success', 100)
  t.equal(breaker.state, 'closed')
})

t.test('opens at a failure rate, above the minimum of calls', async t => {
  const { breaker } = start(t, { failures: 1_000, rate: { ratio: 0.5, minimumCalls: 10, window: 10_000 } })
  for (let i = 0; i < 4; i++) {
    breaker.report(breaker.admit() as Permit, 'success')
    fail(breaker, 1)
  }
  t.equal(breaker.state, 'closed', 'half of eight, below the minimum')
  breaker.report(breaker.admit() as Permit, 'success')
  t.equal(breaker.state, 'closed')
  fail(breaker, 1)
  t.equal(breaker.state, 'open', 'half of ten')
})

t.test('returns the seconds until a retry is useful', async t => {
  let now = 1_000_000
  const breaker = createBreaker(
    'orders',
    { ...options, resetTimeout: 30_000 },
    () => {},
    () => now
  )
  t.teardown(() => breaker.close())
  fail(breaker, 5)
  t.equal(breaker.retryAfter(), 30)
  now += 12_345
  t.equal(breaker.retryAfter(), 18)
  now += 30_000
  t.equal(breaker.retryAfter(), 1)
})

t.test('follows another breaker to the same time, and does not report that', async t => {
  let now = 1_000_000
  const changes: [BreakerState, boolean][] = []
  const breaker = createBreaker(
    'orders',
    { ...options, resetTimeout: 30_000 },
    (state, isFollowing) => changes.push([state, isFollowing]),
    () => now
  )
  t.teardown(() => breaker.close())
  const before = breaker.admit() as Permit
  breaker.follow(now - 20_000)
  t.equal(breaker.admit(), undefined)
  t.equal(breaker.retryAfter(), 10)
  breaker.follow(now)
  t.equal(breaker.retryAfter(), 10, 'it is open')
  breaker.report(before, 'success')
  t.equal(breaker.state, 'open')
  breaker.follow(0)
  t.not(breaker.admit(), undefined)
  breaker.follow(0)
  now += 1_000
  fail(breaker, 5)
  t.equal(breaker.retryAfter(), 30, 'it opens itself for its own timeout')
  t.same(changes, [
    ['open', true],
    ['closed', true],
    ['open', false]
  ])
})

t.test('a breaker that was open elsewhere long enough is half-open at once', async t => {
  const { breaker, change } = start(t, { resetTimeout: 30_000 })
  breaker.follow(machineNow() - 40_000)
  await change()
  t.equal(breaker.state, 'half-open')
})

t.test('failures in a row of one endpoint do not open it, those of several do', t => {
  const { breaker } = start(t, { failures: 3 })
  const [one, other] = [{}, {}]
  const fail = (culprit?: object) => breaker.report(breaker.admit() as Permit, 'failure', 0, culprit)
  for (let i = 0; i < 20; i++) fail(one)
  t.equal(breaker.state, 'closed')
  fail(other)
  t.equal(breaker.state, 'open')
  t.end()
})

t.test('is open since it opened, whatever half-open requests fail', async t => {
  const breaker = createBreaker('orders', { failures: 1, resetTimeout: 20, halfOpenRequests: 1 }, () => {})
  t.teardown(() => breaker.close())
  breaker.report(breaker.admit() as Permit, 'failure')
  const { since, lastTriedAt } = breaker.times()
  t.equal(lastTriedAt, undefined)
  for (let i = 0; i < 2; i++) {
    await until(() => breaker.state === 'half-open')
    breaker.report(breaker.admit() as Permit, 'failure')
  }
  const times = breaker.times()
  t.equal(times.since, since)
  t.ok(String(times.lastTriedAt) > since && String(times.until) > String(times.lastTriedAt))
  breaker.follow(0)
  t.notOk('lastTriedAt' in breaker.times())
  t.ok(breaker.times().since > since)
})

t.test('knows since when it is open, until when, and why', async t => {
  let now = 1_000_000
  const failure: Failure = { cause: 'connection-refused' }
  const breaker = createBreaker(
    'orders',
    {
      failures: 2,
      resetTimeout: 30_000,
      halfOpenRequests: 1,
      slow: { threshold: 100, ratio: 1, minimumCalls: 1 }
    },
    () => {},
    () => now
  )
  t.teardown(() => breaker.close())
  const startedAt = Date.now()
  t.same(breaker.times().history, [])
  t.notOk('until' in breaker.times())
  for (let i = 0; i < 2; i++) breaker.report(breaker.admit() as Permit, 'failure', 1, undefined, failure)
  const { history, ...times } = breaker.times()
  const [since, until] = [Date.parse(times.since), Date.parse(times.until ?? '')]
  t.ok(since >= startedAt && since <= Date.now(), `since ${since}`)
  t.ok(until >= since + 29_990 && until <= Date.now() + 30_000, `until ${until}`)
  t.same(
    history.map(({ state, cause }) => [state, cause]),
    [['open', 'connection-refused']]
  )
  breaker.follow(0)
  t.notOk('until' in breaker.times())
  breaker.report(breaker.admit() as Permit, 'success', 200)
  now += 1
  t.same(
    breaker.times().history.map(({ state, cause }) => [state, cause]),
    [
      ['open', 'connection-refused'],
      ['closed', undefined],
      ['open', 'slow-calls']
    ]
  )
  for (let i = 0; i < 30; i++) breaker.follow(i % 2 === 0 ? 0 : now)
  t.equal(breaker.times().history.length, 20)
})
