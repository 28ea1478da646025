import { pino } from 'pino'
import t, { type Test } from 'tap'
import { createJwks } from '../../auth/jwks.ts'
import { createLeasedLimiter } from '../../limits/lease.ts'
import { createTier, type Decision } from '../../limits/limiter.ts'
import { createMemoryLimiter } from '../../limits/memory-limiter.ts'
import { inMs, makeKey, startGuarded, startIssuer } from '../issuer.ts'
import { until } from '../until.ts'

/** Intervals with the wall clock set back an hour. */

const HOUR = 3_600_000

t.test('a withdrawn key is noticed although the wall clock was set back', async t => {
  const setClock = startWallClock(t)
  const issuer = await startIssuer(t)
  const jwks = openKeys(issuer.issuer)
  const kid = issuer.keys[0]?.jwk.kid
  t.ok(await jwks.find(kid, 'ES256'))
  issuer.publish(await makeKey())
  setClock(-HOUR)
  await until(async () => (await jwks.find(kid, 'ES256').catch(() => undefined)) === undefined, 5_000)
})

t.test('a failed fetch of keys is repeated although the wall clock was set back', async t => {
  const setClock = startWallClock(t)
  const issuer = await startIssuer(t)
  const jwks = openKeys(issuer.issuer)
  const kid = issuer.keys[0]?.jwk.kid
  issuer.fail('error')
  await t.rejects(jwks.find(kid, 'ES256'), /cannot be verified/)
  issuer.fail()
  setClock(-HOUR)
  // A second passes between a failed fetch and the next.
  passTime(t, 2_000)
  t.ok(await jwks.find(kid, 'ES256'))
})

t.test('a rejected consumer passes again although the wall clock was set back', async t => {
  const setClock = startWallClock(t)
  const limits = [{ limit: 1, window: 50, algorithm: 'sliding-log' as const }]
  const tier = createTier('free', { onRedisDown: 'closed', counting: 'exact', limits })
  const limiter = createLeasedLimiter(createMemoryLimiter(10))
  const isAllowed = () => {
    let decision: Decision = []
    limiter.check('ada', tier, 1, (_error, answered = []) => {
      decision = answered
    })
    return decision.every(({ allowed }) => allowed)
  }
  t.equal(isAllowed(), true)
  t.equal(isAllowed(), false)
  setClock(-HOUR)
  await until(isAllowed, 5_000)
})

t.test('a token rejected by a wrong wall clock passes once the clock is right', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const token = await issuer.sign({ exp: inMs(60_000) })
  const setClock = startWallClock(t)
  setClock(HOUR)
  t.equal((await ask(token)).json.title, 'Token expired')
  setClock(0)
  // Rejections are remembered for 10 s.
  passTime(t, 11_000)
  t.equal((await ask(token)).status, 200)
})

/** Replaces the wall clock for the rest of the test. Returns a function that sets it `ms` off. */
function startWallClock(t: Test): (ms: number) => void {
  const real = Date.now
  let offset = 0
  Date.now = () => real() + offset
  t.teardown(() => {
    Date.now = real
  })
  return ms => {
    offset = ms
  }
}

/** Advances the monotonic clock for the rest of the test. */
function passTime(t: Test, ms: number): void {
  const real = performance.now
  performance.now = () => real.call(performance) + ms
  t.teardown(() => {
    performance.now = real
  })
}

function openKeys(issuer: string) {
  const jwks = { refreshAfter: 1, maxStale: HOUR / 2, cooldown: 0, timeout: 5_000 }
  const options = { issuer, audience: 'api://gateway', clockTolerance: 0, cache: 0, jwks }
  return createJwks(options, pino({ level: 'silent' }))
}
