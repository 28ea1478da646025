import { once } from 'node:events'
import { get } from 'node:http'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { createAdminApp } from '../../admin/admin-app.ts'
import { createGuardState } from '../../admin/admin-guard.ts'
import { sessionRoutes } from '../../admin/session-routes.ts'
import { call } from '../harness.ts'

const token = 'a-token-of-some-length'
const json = { 'content-type': 'application/json' }

/** An admin API with one private route. */
async function startAdmin(t: Test, guard = { host: '127.0.0.1', token } as { host: string; token?: string }) {
  const state = createGuardState()
  const admin = await createAdminApp(guard, undefined, state)
  t.teardown(() => admin.close())
  await admin.register(sessionRoutes, state)
  admin.get('/private', { config: { isPrivate: true } }, ({ operator }) => operator)
  admin.post('/private', { config: { isPrivate: true } }, ({ operator }) => operator)
  return { admin, url: await admin.listen({ port: 0, host: '127.0.0.1' }) }
}

const logIn = (url: string, body: object, headers: Record<string, string> = {}) =>
  call(`${url}/session`, { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) })

t.test('a login with the token sets a cookie, which opens the admin API', async t => {
  const { url } = await startAdmin(t)
  t.same((await call(`${url}/session`)).json, { authenticated: false, name: null, tokenNeeded: true })
  t.match(await logIn(url, { token: 'wrong' }), {
    status: 401,
    json: { type: 'urn:sluice:admin-token-invalid' }
  })
  const { status, headers } = await logIn(url, { token, name: 'Ada' })
  t.equal(status, 201)
  const set = headers.get('set-cookie') ?? ''
  t.match(set, /^sluice-admin=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/)
  const cookie = set.split(';')[0] as string
  t.match(await call(`${url}/private`, { headers: { cookie } }), {
    status: 200,
    json: { name: 'Ada', address: '127.0.0.1' }
  })
  t.same((await call(`${url}/session`, { headers: { cookie } })).json, {
    authenticated: true,
    name: 'Ada',
    tokenNeeded: true
  })

  const left = await call(`${url}/session`, { method: 'DELETE', headers: { cookie, origin: url } })
  t.match(left, { status: 204 })
  t.match(left.headers.get('set-cookie'), /^sluice-admin=; .*Max-Age=0$/)
  t.equal((await call(`${url}/private`, { headers: { cookie } })).status, 401)
})

t.test('over TLS the cookie is for this host and TLS only', async t => {
  const { url } = await startAdmin(t)
  const { headers } = await logIn(url, { token }, { origin: url.replace('http:', 'https:') })
  const set = headers.get('set-cookie') ?? ''
  t.match(set, /^__Host-sluice-admin=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/)
  const cookie = set.split(';')[0] as string
  t.equal((await call(`${url}/private`, { headers: { cookie } })).status, 200)
})

t.test('without a token on a loopback address nobody logs in', async t => {
  const { url } = await startAdmin(t, { host: '127.0.0.1' })
  t.same((await call(`${url}/session`)).json, { authenticated: true, name: 'anonymous', tokenNeeded: false })
  t.match((await call(`${url}/private`)).json, { name: 'anonymous', address: '127.0.0.1' })
  t.match(await logIn(url, { token }), { status: 403, json: { type: 'urn:sluice:admin-token-needed' } })
})

t.test('a stream that begins after the logout ends at once', async t => {
  const state = createGuardState()
  const admin = await createAdminApp({ host: '127.0.0.1', token }, undefined, state)
  t.teardown(() => admin.close())
  await admin.register(sessionRoutes, state)
  const asked = Promise.withResolvers<void>()
  const wait = Promise.withResolvers<void>()
  const stream = new PassThrough()
  admin.get('/stream', async (_request, reply) => {
    asked.resolve()
    await wait.promise
    stream.write('data')
    return reply.send(stream)
  })
  const url = await admin.listen({ port: 0, host: '127.0.0.1' })
  const { headers } = await logIn(url, { token })
  const cookie = headers.get('set-cookie')?.split(';')[0] as string
  const request = get(`${url}/stream`, { headers: { cookie } })
  const failed = once(request, 'error')
  request.on('response', response => t.fail(`the stream began: ${response.statusCode}`))
  await asked.promise
  const origin = { cookie, origin: url }
  t.equal((await call(`${url}/session`, { method: 'DELETE', headers: origin })).status, 204)
  wait.resolve()
  t.match(await Promise.race([failed, once(request, 'response').then(() => 'response')]), [
    { code: 'ECONNRESET' }
  ])
})

t.test('an unknown cookie beside the token, or without one, ends no stream', async t => {
  const state = createGuardState()
  const admin = await createAdminApp({ host: '127.0.0.1', token }, undefined, state)
  t.teardown(() => admin.close())
  for (const isOpen of [true, false])
    admin.get(isOpen ? '/open' : '/closed', { config: { isOpen } }, (_request, reply) => {
      const stream = new PassThrough()
      stream.end('data')
      return reply.send(stream)
    })
  const url = await admin.listen({ port: 0, host: '127.0.0.1' })
  const cookie = 'sluice-admin=of-an-earlier-session'
  t.match(await call(`${url}/open`, { headers: { cookie } }), { status: 200, text: 'data' })
  const authorization = `Bearer ${token}`
  t.match(await call(`${url}/closed`, { headers: { cookie, authorization } }), { status: 200, text: 'data' })
})
