import Fastify from 'fastify'
import { clientAddress, createProblem, problem } from 'sluice'
import t from 'tap'
import { call } from '../harness.ts'
import { listen } from './app.ts'

const KeyRevoked = createProblem('KEY_REVOKED', 'The key was revoked', 401, {
  type: 'https://example.com/revoked'
})

t.test('errors have a name for the log', async t => {
  t.equal(new KeyRevoked().constructor.name, 'Problem')
})

t.test('problem sends errors, 404 and 405 of a bare app as problems', async t => {
  const app = Fastify()
  await app.register(problem)
  app.get('/', async () => {
    throw new KeyRevoked({ members: { since: 'yesterday' }, headers: { 'www-authenticate': 'Key' } })
  })
  app.get('/broken', async () => {
    throw new Error('password=secret')
  })
  const url = await listen(t, app)
  const revoked = await call(url)
  t.equal(revoked.headers.get('content-type'), 'application/problem+json')
  t.equal(revoked.headers.get('www-authenticate'), 'Key')
  t.match(revoked.json, {
    type: 'https://example.com/revoked',
    title: 'The key was revoked',
    status: 401,
    since: 'yesterday',
    requestId: String
  })
  t.strictSame((await call(`${url}/broken`)).json.title, 'Internal Server Error')
  t.match((await call(`${url}/nowhere`)).json, { type: 'urn:sluice:route-not-found', status: 404 })
  const post = await call(url, { method: 'POST' })
  t.equal(post.status, 405)
  t.equal(post.headers.get('allow'), 'GET, HEAD')
})

t.test("without problem the app's own error handler gets the same errors", async t => {
  const app = Fastify()
  app.setErrorHandler((error: { code?: string }, _request, reply) =>
    reply.code(418).send({ own: error.code })
  )
  app.get('/', async () => {
    throw new KeyRevoked()
  })
  const { status, json } = await call(await listen(t, app))
  t.equal(status, 418)
  t.same(json, { own: 'KEY_REVOKED' })
})

t.test('clientAddress normalizes X-Forwarded-For in a bare app', async t => {
  const app = Fastify({ trustProxy: true })
  await app.register(clientAddress)
  app.get('/', async request => request.ip)
  const url = await listen(t, app)
  const ip = async (forwarded: string) =>
    (await call(url, { headers: { 'x-forwarded-for': forwarded } })).text
  t.equal(await ip('192.0.2.1:4711'), '192.0.2.1')
  t.equal(await ip('nobody'), 'unknown')
})
