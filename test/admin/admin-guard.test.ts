import t from 'tap'
import { call } from '../harness.ts'
import { startWatched } from '../observe/recorder/gateway.ts'

const token = 'a-token-of-some-length'
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
const answer = (_request: unknown, response: { end(): void }) => response.end()

t.test('with a token, the admin side is for its bearer; probes are for everybody', async t => {
  const { admin } = await startWatched(t, answer, {}, { host: '0.0.0.0', token })
  for (const path of [
    '/exchanges',
    '/exchanges.har',
    '/captures',
    '/metrics',
    '/upstreams',
    '/versions',
    '/nowhere'
  ]) {
    const refused = await call(admin + path)
    t.match(refused, { status: 401, json: { type: 'urn:sluice:admin-token-invalid' } }, path)
    t.equal(refused.headers.get('www-authenticate'), 'Bearer')
    t.equal(refused.headers.get('cache-control'), 'no-store')
  }
  for (const wrong of [`${token}x`, token.slice(1), 'x'])
    t.equal((await call(`${admin}/metrics`, bearer(wrong))).status, 401)
  t.equal((await call(`${admin}/exchanges`, bearer(token))).status, 200)
  for (const path of ['/livez', '/readyz']) t.equal((await call(admin + path)).status, 200, path)
})

t.test(
  'without one, what people sent is shown on a loopback address only, and under no foreign name',
  async t => {
    const open = await startWatched(t, answer, {}, { host: '0.0.0.0' })
    for (const path of ['/exchanges', '/exchanges/live', '/exchanges/1', '/captures'])
      t.match(
        await call(open.admin + path),
        { status: 403, json: { type: 'urn:sluice:admin-token-needed' } },
        path
      )
    t.equal((await call(`${open.admin}/metrics`)).status, 200)

    const { gateway, admin } = await startWatched(t, answer)
    t.equal((await call(`${admin}/exchanges`)).status, 200)
    const { buildAdmin } = await import('../../admin/admin.ts')
    const injected = await buildAdmin(gateway, () => false)
    t.teardown(() => injected.close())
    for (const [host, status] of [
      ['localhost:8081', 200],
      ['[::1]:8081', 200],
      ['rebound.example', 421]
    ] as const)
      t.equal((await injected.inject({ url: '/exchanges', headers: { host } })).statusCode, status, host)
  }
)
