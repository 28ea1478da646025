import fastifyRateLimit from '@fastify/rate-limit'
import Fastify from 'fastify'
import t from 'tap'
import { AppLimits } from '../../limits/app-limits.ts'
import { type Admission, createAdmit } from '../../limits/rate-limit-store.ts'

/** Contract of limits/rate-limit-store.ts with the installed @fastify/rate-limit. */

t.test('the admission passes through, and exceeds once a limit rejects the request', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const limits = new AppLimits()
  const tier = limits.addTier('two', {
    limits: [{ limit: 2, window: 60_000, algorithm: 'sliding-window' }],
    counting: 'exact',
    onRedisDown: 'local'
  })
  let admission: Admission | undefined
  const admit = await createAdmit(app, limits, ({ ip }) => {
    admission = { key: `address:${ip}`, tier, decision: undefined }
    return admission
  })
  app.addHook('onReady', async () => limits.start(app))
  app.get('/', async request => {
    const { key, isExceeded } = await admit(request)
    return { isExceeded, isSame: key === admission, remaining: key.decision?.[0]?.remaining }
  })
  const ask = async () => (await app.inject('/')).json()
  t.strictSame(await ask(), { isExceeded: false, isSame: true, remaining: 1 })
  t.strictSame(await ask(), { isExceeded: false, isSame: true, remaining: 0 })
  t.strictSame(await ask(), { isExceeded: true, isSame: true, remaining: 0 })
})

t.test('neither hooks nor decorators of @fastify/rate-limit reach the app', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await createAdmit(app, new AppLimits(), () => ({}) as Admission)
  t.notOk(app.hasDecorator('createRateLimit'))
  t.notOk(app.hasDecorator('rateLimit'))
  await app.register(fastifyRateLimit)
  await t.rejects(
    createAdmit(app, new AppLimits(), () => ({}) as Admission),
    {
      message: /@fastify\/rate-limit is registered in this scope too/
    }
  )
})
