import t from 'tap'
import { call, closedPort, startService } from '../harness.ts'
import { startWatched } from '../observe/recorder/gateway.ts'
import { until } from '../until.ts'
import { sluice } from './golden.ts'

const TOKEN = 'a-token-of-the-admin-api'

t.test('exchanges are followed as they end, filtered, one line each and redacted', async t => {
  const { url, admin, gateway } = await startWatched(t, (request, response) => {
    response.writeHead(request.url?.startsWith('/things/bad') ? 500 : 200).end('{}')
  })
  const all = sluice(['tail', '--admin', admin, '-n', '2'])
  await until(() => gateway.recorder?.live.isFollowed)
  const failed = sluice(['tail', '--admin', admin, '--failed', '--status', '5xx', '-n', '1', '--json'])
  // Repeat until the second reader is connected.
  await call(`${url}/things/good?token=s3cr3t`)
  await until(async () => {
    await call(`${url}/things/bad?token=s3cr3t`)
    return (await Promise.race([failed, undefined])) !== undefined
  })
  const { code, out, err } = await all
  t.equal(code, 0)
  t.equal(err, '')
  const line = (status: number, path: string) =>
    `\\d\\d:\\d\\d:\\d\\d\\.\\d{3} ${status} \\d+\\.\\dms GET /things/${path}\\?token=\\[redacted\\] \\[things\\] -> things http://127\\.0\\.0\\.1:\\d+`
  t.match(out, new RegExp(`^${line(200, 'good')}\\n${line(500, 'bad')} \\(service-error\\)\\n$`))
  t.match(JSON.parse((await failed).out), { status: 500, url: '/things/bad?token=[redacted]' })
})

t.test('the token of the config is sent; a missing one is reported', async t => {
  const { url, admin, gateway } = await startWatched(
    t,
    (_, response) => void response.end(),
    {},
    {
      host: '0.0.0.0',
      token: TOKEN
    }
  )
  const without = await sluice(['tail', '--admin', admin])
  t.same(
    [without.code, without.err],
    [1, `${admin} requires a token: set admin.token in the config, or SLUICE_ADMIN_TOKEN with --admin\n`]
  )
  const wrong = await sluice(['tail', '--admin', admin], { SLUICE_ADMIN_TOKEN: 'another' })
  t.same(
    [wrong.code, wrong.err],
    [
      1,
      `${admin} rejects the token; after a change of admin.token, send SIGHUP to the gateway to reload it\n`
    ]
  )
  const env = { ADMIN_PORT: new URL(admin).port, ADMIN_TOKEN: TOKEN }
  const followed = sluice(['tail', '-n', '1'], env)
  await until(() => gateway.recorder?.live.isFollowed)
  await call(`${url}/things/1`)
  t.equal((await followed).code, 0)
})

t.test('a gateway that cannot be followed is reported in one line with exit code 1', async t => {
  const { admin } = await startWatched(t, (_, response) => void response.end(), { recorder: { size: 0 } })
  const none = await sluice(['tail', '--admin', admin])
  t.same([none.code, none.err], [1, `${admin} has no recorder: recorder.size is 0 in its config\n`])
  const closed = await closedPort()
  const gone = await sluice(['tail', '--admin', closed])
  t.same([gone.code, gone.err], [1, `${closed} does not respond (ECONNREFUSED); is the gateway running?\n`])
  const unknown = await sluice(['tail'], { ADMIN_PORT: '0' })
  t.match(unknown.err, /the port is unknown before the start/)
  t.equal(unknown.code, 1)
  const broken = await sluice(['tail', '-c', 'nowhere.ts'])
  t.same([broken.code, broken.err], [1, 'nowhere.ts cannot be read: there is no such file\n'])
})

t.test('an invalid filter is wrong usage', async t => {
  const { admin } = await startWatched(t, (_, response) => void response.end())
  for (const args of [
    ['--status', '6xx'],
    ['--cause', 'refused'],
    ['--min-duration', 'long'],
    ['-n', '0'],
    ['-n', 'x'],
    ['--admin', 'ftp://x'],
    ['--nope'],
    ['x']
  ]) {
    const { code } = await sluice(['tail', '--admin', admin, ...args])
    t.equal(code, 2, args.join(' '))
  }
  const { err } = await sluice(['tail', '--admin', admin, '--cause', 'conection-refused'])
  t.match(err, 'must be one of the causes, such as connection-refused; did you mean connection-refused?')
})

t.test('control characters are replaced; a stream without exchanges fails', async t => {
  const exchange = {
    at: '2026-01-02T03:04:05.678Z',
    method: 'GET',
    url: '/\u001b[2J\u202e\u0085',
    status: 0,
    abortReason: 'SLUICE_CLIENT_CLOSED_REQUEST',
    durationMs: 1.25,
    consumer: 'ada',
    tier: 'free',
    limit: 'allowed',
    upstream: 'a,b',
    attempts: 3
  }
  const admin = await startService(t, (request, response) => {
    if (request.url?.includes('scope=none')) return void response.end('<html>\n')
    response.write(`\n${JSON.stringify(exchange)}\n{"mis`)
    response.end('sed":7}\n')
  })
  t.same(await sluice(['tail', '--admin', admin]), {
    code: 1,
    out: '03:04:05.678 --- SLUICE_CLIENT_CLOSED_REQUEST 1.3ms GET /\ufffd[2J\ufffd\ufffd -> a,b x3 by ada free: allowed\n(7 exchanges skipped: too many at once)\n',
    err: `${admin} closed the stream\n`
  })
  t.same(await sluice(['tail', '--admin', admin, '--scope', 'none']), {
    code: 1,
    out: '',
    err: `${admin} does not send exchanges: is it the admin API?\n`
  })
})
