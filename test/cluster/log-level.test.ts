import t from 'tap'
import { call } from '../harness.ts'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'
import { startCluster } from './workers.ts'

const token = 'a-token-of-some-length'
const bearer = { authorization: `Bearer ${token}` }
const json = { 'content-type': 'application/json' }
const routes = `
  app.get('/debug', async request => {
    request.log.debug({ marker: 'debug-' + request.query.n }, 'debugging')
    return 'ok'
  })`

const config = (token: string) =>
  configOf(1, '', routes).replace(
    'admin: { port: Number(process.env.ADMIN_PORT) }',
    `admin: { port: Number(process.env.ADMIN_PORT), token: '${token}' }`
  )

t.test('a level is set in all processes with a name in the log, stays over a reload, and ends', async t => {
  const { url, admin, output, write } = await startServer(t, { config: config(token) })
  const set = (body: object, headers: object = bearer) =>
    call(`${admin}/log-level`, {
      method: 'PUT',
      headers: { ...json, ...headers },
      body: JSON.stringify(body)
    })
  let count = 0
  /** Returns the numbers of those requests that were logged with level debug, of all workers. */
  const debug = async (isLogged: boolean) => {
    const first = count
    for (let i = 0; i < 8; i++)
      await (await fetch(`${url}/api/debug?n=${count++}`, { headers: { connection: 'close' } })).text()
    const wanted = Array.from({ length: 8 }, (_, i) => `"debug-${first + i}"`)
    if (isLogged) await until(() => wanted.every(text => output().includes(text)))
    return wanted.filter(text => output().includes(text)).length
  }
  t.same((await call(`${admin}/log-level`, { headers: bearer })).json, { level: 'info', configured: 'info' })
  t.equal(await debug(false), 0)

  // As a person: the name is in the log.
  const login = await call(`${admin}/session`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ token, name: 'Ada' })
  })
  const cookie = (login.headers.get('set-cookie') ?? '').split(';')[0] as string
  t.equal((await set({ level: 'debug' }, { cookie })).status, 403, 'without an origin')
  t.match(await set({ level: 'debug' }, { cookie, origin: admin }), {
    status: 200,
    json: { level: 'debug', configured: 'info', by: 'Ada' }
  })
  t.equal(await debug(true), 8)
  await until(() =>
    /"operator":\{"name":"Ada","address":"127.0.0.1"\},"level":"debug".*"msg":"log level changed"/.test(
      output()
    )
  )

  const { status } = await call(`${admin}/reload`, { method: 'POST', headers: bearer })
  t.equal(status, 200)
  t.equal(await debug(true), 8, 'new workers')
  t.equal(
    (await call(`${admin}/log-level`, { headers: { cookie } })).json.by,
    'Ada',
    'the session stays, too'
  )

  t.match((await set({ level: 'trace', until: new Date(Date.now() + 1_500).toISOString() })).json, {
    by: 'token'
  })
  await until(async () => (await call(`${admin}/log-level`, { headers: bearer })).json.level === 'info')
  t.equal(await debug(false), 0)

  await set({ level: 'fatal' })
  t.match((await call(`${admin}/log-level`, { method: 'DELETE', headers: bearer })).json, {
    level: 'info',
    configured: 'info'
  })
  await until(() => output().includes('"level":"fatal"'))

  // The admin API's own entries follow the level of a new config.
  write(config(token).replace("level: 'info'", "level: 'warn'"))
  t.equal((await call(`${admin}/reload`, { method: 'POST', headers: { cookie, origin: admin } })).status, 200)
  await until(() =>
    output().includes('"operator":{"name":"Ada","address":"127.0.0.1"},"msg":"reload requested"')
  )
  const entries = () => output().split('"msg":"reload requested"').length
  const before = entries()
  // Another token ends the sessions of the first one.
  write(config('another-token-of-some-length'))
  t.equal((await call(`${admin}/reload`, { method: 'POST', headers: bearer })).status, 200)
  t.equal((await call(`${admin}/log-level`, { headers: { cookie } })).status, 401)
  t.equal(entries(), before, 'not at level warn')
  const other = { authorization: 'Bearer another-token-of-some-length' }
  t.equal((await call(`${admin}/reload`, { method: 'POST', headers: other })).status, 200)
  await until(() => entries() === before + 1)
})

t.test('invalid levels and times are refused', async t => {
  const { admin, cluster, build } = await startCluster(t, 1, (_request, response) => void response.end())
  const set = (body: object) =>
    call(`${admin}/log-level`, { method: 'PUT', headers: json, body: JSON.stringify(body) })
  t.match(await set({ level: 'debug' }), { status: 409, json: { type: 'urn:sluice:log-silent' } })
  cluster.logLevel.configure('info')
  const at = (ms: number) => new Date(Date.now() + ms).toISOString()
  for (const body of [
    {},
    { level: 'verbose' },
    { level: 'debug', until: 'tomorrow' },
    { level: 'debug', by: 'me' }
  ])
    t.equal((await set(body)).status, 400, JSON.stringify(body))
  for (const until of [at(-1_000), at(8 * 86_400_000), '0000-01-01T00:00:00Z'])
    t.match(
      await set({ level: 'debug', until }),
      { status: 400, json: { type: 'urn:sluice:invalid-until' } },
      until
    )
  t.equal((await call(`${admin}/log-level`)).json.level, 'info')
  t.match(await set({ level: 'debug', until: at(60_000) }), { status: 200, json: { level: 'debug' } })
  const open = await build({ host: '0.0.0.0' })
  t.equal((await open.inject('/log-level')).statusCode, 403)
})
