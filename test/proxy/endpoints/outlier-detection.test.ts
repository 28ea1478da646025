import t from 'tap'
import type { Outcome } from '../../../proxy/breaker-types.ts'
import { createOutlierDetection, Outlier } from '../../../proxy/endpoints/outlier-detection.ts'

const defaults = {
  failures: 5,
  rate: { margin: 0.3, minimumCalls: 100, window: 10_000 },
  time: 30_000,
  maxTime: 300_000,
  maxRatio: 0.5
}

function setUp(count: number, options: Partial<typeof defaults> = {}) {
  let now = 1_000_000
  const members = Array.from({ length: count }, () => ({ outlier: new Outlier() }))
  const changes: [member: number, ms: number][] = []
  const ejection = createOutlierDetection(
    { ...defaults, ...options },
    () => members,
    (member, ms) => changes.push([members.indexOf(member), ms]),
    () => now
  )
  return {
    ejection,
    changes,
    pass(ms: number) {
      now += ms
      ejection.returnDue()
    },
    report(index: number, outcome: Outcome, times = 1) {
      for (let i = 0; i < times; i++) ejection.report(members[index] as (typeof members)[number], outcome)
    },
    release(index: number) {
      ejection.release(members[index] as (typeof members)[number])
    }
  }
}

t.test('five failures in a row eject for 30 s', async t => {
  const { report, pass, changes, ejection } = setUp(2)
  report(0, 'failure', 4)
  report(0, 'answered')
  report(0, 'failure', 4)
  report(0, 'success')
  report(0, 'failure', 4)
  report(0, 'neutral')
  t.same(changes, [], 'successes and 4xx restart the count, neutral outcomes do not')
  t.equal(ejection.due, Number.POSITIVE_INFINITY)
  report(0, 'failure')
  t.same(changes, [[0, 30_000]])
  pass(29_999)
  t.equal(changes.length, 1)
  pass(1)
  t.same(changes, [
    [0, 30_000],
    [0, 0]
  ])
  t.equal(ejection.due, Number.POSITIVE_INFINITY)
})

t.test('calls that end after the ejection change nothing', async t => {
  const { report, pass, changes } = setUp(2)
  report(0, 'failure', 50)
  pass(30_000)
  report(0, 'failure', 4)
  t.equal(changes.length, 2)
})

t.test('each ejection is longer, up to the maximum, and a healthy time shortens the next', async t => {
  const { report, pass, changes } = setUp(2, { maxTime: 100_000 })
  const eject = () => {
    report(0, 'failure', 5)
    const ms = changes.at(-1)?.[1] as number
    pass(ms)
    return ms
  }
  t.same([eject(), eject(), eject(), eject(), eject()], [30_000, 60_000, 90_000, 100_000, 100_000])
  pass(30_000 * 4)
  t.equal(eject(), 60_000, 'five minus four plus one')
  pass(30_000 * 100)
  t.equal(eject(), 30_000)
})

t.test('at most the configured ratio is ejected', async t => {
  for (const [count, maxRatio, ejected] of [
    [2, 0.5, 1],
    [3, 0.5, 1],
    [4, 0.5, 2],
    [4, 1, 4],
    [10, 0.25, 2],
    [2, 0.4, 0],
    [4, 0, 0]
  ] as const) {
    const { report, changes } = setUp(count, { maxRatio })
    for (let i = 0; i < count; i++) report(i, 'failure', 20)
    t.equal(changes.length, ejected, `${maxRatio} of ${count}`)
  }
})

t.test('an endpoint beyond the ratio is ejected when another one returns', async t => {
  const { report, pass, changes } = setUp(2)
  report(0, 'failure', 5)
  report(1, 'failure', 10)
  pass(30_000)
  report(1, 'failure')
  t.same(changes.at(-1), [1, 30_000])
})

t.test('an endpoint with a higher failure rate is ejected without five failures in a row', async t => {
  const { report, changes } = setUp(3)
  report(1, 'success', 60)
  report(2, 'success', 60)
  for (let i = 0; i < 49; i++) {
    report(0, 'failure')
    report(0, 'success')
  }
  t.same(changes, [], 'not below the minimum of calls')
  report(0, 'success')
  report(0, 'failure')
  t.same(changes, [[0, 30_000]])
})

t.test('failures of all endpoints eject none of them', async t => {
  const { report, changes } = setUp(3)
  for (let i = 0; i < 200; i++)
    for (const index of [0, 1, 2]) {
      report(index, 'failure')
      report(index, 'success')
    }
  t.same(changes, [])
})

t.test('the rate is counted per window', async t => {
  const { report, pass, changes } = setUp(2)
  const work = () => {
    report(1, 'success', 120)
    for (let i = 0; i < 45; i++) {
      report(0, 'failure')
      report(0, 'success')
    }
  }
  work()
  pass(10_000)
  work()
  t.same(changes, [], 'two windows of 90 are not 180')
})

t.test('a passed health check returns an endpoint early', async t => {
  const { report, release, changes, ejection } = setUp(2)
  report(0, 'failure', 5)
  release(0)
  release(1)
  t.same(changes, [
    [0, 30_000],
    [0, 0]
  ])
  t.equal(ejection.due, Number.POSITIVE_INFINITY)
})
