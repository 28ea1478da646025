import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { createAdminApp } from '../../admin/admin-app.ts'
import { type AdminGuardOptions, createGuardState } from '../../admin/admin-guard.ts'
import { sessionRoutes } from '../../admin/session-routes.ts'
import { call } from '../harness.ts'

const token = 'a-token-of-some-length'
const bearer = { authorization: `Bearer ${token}` }
const json = { 'content-type': 'application/json' }

async function startAdmin(t: Test, guard: Partial<AdminGuardOptions> = {}) {
  const state = createGuardState()
  const admin = await createAdminApp({ host: '127.0.0.1', token, ...guard }, undefined, state)
  t.teardown(() => admin.close())
  await admin.register(sessionRoutes, state)
  admin.get('/livez', () => 'live')
  admin.get('/private', { config: { isPrivate: true } }, () => 'secret')
  admin.post('/private', { config: { isPrivate: true } }, () => 'changed')
  admin.get('/public', () => 'public')
  return admin.listen({ port: 0, host: '127.0.0.1' })
}

const logIn = (url: string, body: object) =>
  call(`${url}/session`, { method: 'POST', headers: json, body: JSON.stringify(body) })

async function cookieOf(url: string): Promise<string> {
  const { headers } = await logIn(url, { token })
  return (headers.get('set-cookie') ?? '').split(';')[0] as string
}

/** Sends a request as it is and returns the whole response. */
async function send(url: string, lines: string[]): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  const response = await text(socket)
  return { status: Number(response.split(' ', 2)[1]), text: response }
}

const get = (url: string, path: string, host: string, ...headers: string[]) =>
  send(url, [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...headers, 'Connection: close'])

t.test('only known host names are served, with and without a token; probes use any', async t => {
  for (const guard of [{}, { token: undefined }]) {
    const url = await startAdmin(t, { ...guard, hosts: ['Gateway-Admin.shop.svc'] })
    const authorization = `Authorization: Bearer ${token}`
    for (const host of [
      'rebound.example',
      'rebound.example:8081',
      'localhost.rebound.example',
      '127.0.0.1.rebound.example',
      'localhost:80@rebound.example',
      '[::1].rebound.example',
      '[::1',
      'localhost,rebound.example',
      'gateway-admin.shop.svc.rebound.example',
      'shop.svc',
      'a'.repeat(8_000),
      ''
    ]) {
      const { status, text } = await get(url, '/private', host, authorization)
      t.ok(status === 421 || status === 400, `${host.slice(0, 40)}: ${status}`)
      t.notMatch(text, /secret/)
    }
    t.equal((await get(url, '/livez', 'rebound.example')).status, 200)
    for (const host of [
      'localhost',
      'LocalHost.:8081',
      '127.0.0.1',
      '[::1]:8081',
      '192.0.2.7',
      'gateway-admin.SHOP.svc:8081'
    ])
      t.equal((await get(url, '/private', host, authorization)).status, 200, host)
    // Node ignores a second Host.
    const twice = await get(url, '/private', 'rebound.example', 'Host: localhost', authorization)
    t.notMatch(twice.text, /secret/)
    t.equal((await send(url, ['GET /private HTTP/1.0', authorization])).status, 421, 'without Host')
  }
})

t.test('no path leads around the token', async t => {
  const url = await startAdmin(t)
  for (const path of [
    '/private',
    '//private',
    '/%70rivate',
    '/private/',
    '/private?x=/livez',
    '/private#/livez',
    '/private;/livez',
    '/livez/../private',
    '/livez/%2e%2e/private',
    '/livez%2f..%2fprivate',
    '/./private',
    '/session/../private',
    '/PRIVATE',
    'http://localhost/private',
    '*'
  ])
    for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE', 'TRACE']) {
      const { status, text } = await send(url, [
        `${method} ${path} HTTP/1.1`,
        'Host: localhost',
        'Connection: close'
      ])
      t.ok(status >= 400 && status < 500, `${method} ${path}: ${status}`)
      t.notMatch(text, /secret|changed|access-control/i)
    }
  for (const path of ['/%70rivate', '/private'])
    t.equal((await call(url + path, { headers: bearer })).status, 200, path)
})

t.test('forged cookies and tokens get 401', async t => {
  const url = await startAdmin(t)
  const cookie = await cookieOf(url)
  const id = cookie.slice(cookie.indexOf('=') + 1)
  for (const forged of [
    'sluice-admin=',
    'sluice-admin',
    '=',
    ';;;',
    `sluice-admin=${'A'.repeat(43)}`,
    `sluice-admin=${'A'.repeat(8_000)}`,
    'sluice-admin=__proto__',
    'sluice-admin=constructor',
    `sluice-admin=${id.slice(1)}`,
    `sluice-admin=${id}x`,
    `sluice-admin="${id}"`,
    `sluice-admin=x; sluice-admin=${id}`,
    `__Host-sluice-admin=x; sluice-admin=${id}`,
    `Sluice-Admin=${id}`,
    `other=${id}`,
    `${'a=b; '.repeat(1_000)}`
  ])
    t.equal((await call(`${url}/private`, { headers: { cookie: forged } })).status, 401, forged.slice(0, 60))
  t.equal((await call(`${url}/private`, { headers: { cookie } })).status, 200)
  for (const authorization of [
    'Bearer',
    'Bearer ',
    `Basic ${token}`,
    `Bearer ${token} ${token}`,
    `Bearer  "${token}"`,
    `Bearer ${'A'.repeat(10_000)}`
  ])
    t.equal(
      (await call(`${url}/private`, { headers: { authorization } })).status,
      401,
      authorization.slice(0, 40)
    )
  // The session of another token.
  const other = await startAdmin(t, { token: 'another-token-of-some-length' })
  t.equal((await call(`${other}/private`, { headers: { cookie } })).status, 401)
})

t.test('with a cookie, only pages of the same origin change something', async t => {
  const url = await startAdmin(t)
  const cookie = await cookieOf(url)
  const post = (headers: Record<string, string>, path = '/private') =>
    call(url + path, { method: 'POST', headers: { cookie, ...headers } })
  for (const headers of [
    {},
    { origin: 'null' },
    { origin: 'http://rebound.example' },
    { origin: 'http://127.0.0.1' },
    { origin: `${url}.rebound.example` },
    { origin: 'http://127.0.0.1:1' },
    { origin: 'file://' },
    { 'sec-fetch-site': 'none' },
    { 'sec-fetch-site': 'same-site', origin: url },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
    { 'sec-fetch-site': 'same-origin', origin: 'http://rebound.example' }
  ] as Record<string, string>[])
    t.match(
      await post(headers),
      { status: 403, json: { type: 'urn:sluice:admin-cross-site' } },
      JSON.stringify(headers)
    )
  for (const headers of [{ origin: url }, { 'sec-fetch-site': 'same-origin' }] as Record<string, string>[])
    t.match(await post(headers), { status: 200, text: 'changed' })

  const read = (headers: Record<string, string>) =>
    call(`${url}/private`, { headers: { cookie, ...headers } })
  t.equal((await read({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })).status, 403)
  t.equal((await read({ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' })).status, 403)
  t.equal((await read({ origin: 'http://rebound.example' })).status, 403)
  // fetch sends a mode of its own.
  const link = (site: string) =>
    get(
      url,
      '/private',
      'localhost',
      `Cookie: ${cookie}`,
      `Sec-Fetch-Site: ${site}`,
      'Sec-Fetch-Mode: navigate'
    )
  t.equal((await link('cross-site')).status, 200)
  t.equal((await link('none')).status, 200)

  // Neither logs in or out for another page.
  const foreign = { origin: 'http://rebound.example' }
  t.equal((await call(`${url}/session`, { method: 'DELETE', headers: { cookie, ...foreign } })).status, 403)
  const body = JSON.stringify({ token })
  t.equal(
    (await call(`${url}/session`, { method: 'POST', headers: { ...json, ...foreign }, body })).status,
    403
  )
  t.equal((await read({})).status, 200)

  const open = await startAdmin(t, { token: undefined })
  t.equal((await call(`${open}/private`, { method: 'POST', headers: foreign })).status, 403)
  t.equal((await call(`${open}/private`, { method: 'POST' })).status, 200, 'no browser')
})

t.test('a login is validated before it is compared', async t => {
  const url = await startAdmin(t)
  for (const body of [
    {},
    { token: '' },
    { token: { length: 22 } },
    { token: 'x'.repeat(4_097) },
    { token, name: '' },
    { token, name: 'Ada\r\nset-cookie: sluice-admin=x' },
    { token, name: 'Ada\u0000' },
    { token, name: 'x'.repeat(65) },
    { token, admin: true }
  ]) {
    const { status, headers } = await logIn(url, body)
    t.equal(status, 400, JSON.stringify(body).slice(0, 60))
    t.equal(headers.get('set-cookie'), null)
  }
  t.equal((await logIn(url, { token: 'x'.repeat(20_000) })).status, 413)
  for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=x']) {
    const headers = { 'content-type': type }
    const { status } = await call(`${url}/session`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ token })
    })
    t.ok(status === 400 || status === 415, `${type}: ${status}`)
  }
})

t.test('ten different wrong tokens stop further ones of this address, but no session', async t => {
  const url = await startAdmin(t)
  const cookie = await cookieOf(url)
  // A program with an old token does not lock its host out.
  for (let i = 0; i < 30; i++)
    t.equal((await call(`${url}/private`, { headers: { authorization: 'Bearer old' } })).status, 401)
  for (let i = 0; i < 5; i++) t.equal((await logIn(url, { token: `wrong-${i}` })).status, 401)
  for (let i = 5; i < 9; i++)
    t.equal((await call(`${url}/private`, { headers: { authorization: `Bearer wrong-${i}` } })).status, 401)
  for (const answer of [await logIn(url, { token }), await call(`${url}/private`, { headers: bearer })]) {
    t.match(answer, { status: 429, json: { type: 'urn:sluice:admin-too-many-logins' } })
    const seconds = Number(answer.headers.get('retry-after'))
    t.ok(seconds >= 1 && seconds <= 60, `${seconds} s`)
  }
  t.equal((await call(`${url}/private`, { headers: { cookie } })).status, 200)
  t.equal((await call(`${url}/livez`)).status, 200)
})

t.test('many logins end the oldest sessions only', async t => {
  const url = await startAdmin(t)
  const cookies: string[] = []
  for (let i = 0; i < 258; i++) cookies.push(await cookieOf(url))
  t.equal(new Set(cookies).size, 258)
  const statuses = []
  for (const cookie of [cookies[0], cookies[1], cookies[2], cookies[257]] as string[])
    statuses.push((await call(`${url}/private`, { headers: { cookie } })).status)
  t.same(statuses, [401, 401, 200, 200])
})
