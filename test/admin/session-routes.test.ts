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
