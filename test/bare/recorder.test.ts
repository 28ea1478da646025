import Fastify from 'fastify'
import { problem, recorder, serverOptions } from 'sluice'
import t from 'tap'
import { call } from '../harness.ts'
import { startSession, tls } from '../http2.ts'
import { listen } from './app.ts'

for (const withProblem of [false, true])
  t.test(
    `recorder keeps exchanges with bodies in a bare app, with${withProblem ? '' : 'out'} problem`,
    async t => {
      const app = Fastify(serverOptions())
      if (withProblem) await app.register(problem)
      await app.register(recorder, { size: 10, redact: { names: ['pin'] } })
      app.post('/users', async ({ body }) => body)
      app.get('/fails', async () => {
        throw new Error('no')
      })
      const url = await listen(t, app)
      const body = JSON.stringify({ name: 'ada', pin: '1234', password: 'secret' })
      const headers = { 'content-type': 'application/json', authorization: 'Bearer secret' }
      await call(`${url}/users`, { method: 'POST', headers, body })
      await call(`${url}/fails`)
      const [failed, posted] = app.recorder?.list() ?? []
      t.match(failed, { url: '/fails', status: 500 })
      t.match(posted, { method: 'POST', url: '/users', status: 200, durationMs: Number })
      const detail = app.recorder?.find(posted?.id ?? '')
      t.equal(detail?.request.body?.text, '{"name":"ada","pin":"[redacted]","password":"[redacted]"}')
      t.equal(detail?.response.body?.text, detail?.request.body?.text)
      t.notMatch(JSON.stringify(app.recorder?.har({ limit: 10 })), /secret|1234/)
      t.equal(app.recorder?.list({ failed: true }).length, 1)
    }
  )

t.test('recorder keeps bodies over HTTP/2', async t => {
  const app = Fastify(serverOptions({ tls, http2: true }))
  await app.register(recorder)
  app.get('/users', async () => ({ name: 'ada' }))
  const url = await listen(t, app)
  const session = await startSession(t, url)
  const stream = session.request({ ':path': '/users' })
  let text = ''
  for await (const chunk of stream) text += chunk
  t.equal(text, '{"name":"ada"}')
  const [{ id = '' } = {}] = app.recorder?.list() ?? []
  t.equal(app.recorder?.find(id)?.response.body?.text, '{"name":"ada"}')
})

t.test('recorder reports missing and wrong options at registration', async t => {
  const rejects = async (app: ReturnType<typeof Fastify>, options: object, message: RegExp) => {
    t.teardown(() => app.close())
    await t.rejects(Promise.resolve(app.register(recorder, options)), { message })
  }
  const missing =
    /recorder: the server does not keep response bodies; create the app with Fastify\(serverOptions\(\)\)/
  await rejects(Fastify(), {}, missing)
  await rejects(Fastify(serverOptions({ recorder: false })), {}, missing)
  await rejects(Fastify(serverOptions()), { sizes: 5, body: -1 }, /recorder: .*sizes is not known.*body must/)
})
