import type { ServerResponse } from 'node:http'
import t from 'tap'
import { run } from '../../cli/sluice.ts'
import { formatAge } from '../../cli/status-report.ts'
import { startCluster, type TestWorker } from '../cluster/workers.ts'
import { call, closedPort, startService } from '../harness.ts'
import { sluice } from './golden.ts'

const json = (response: ServerResponse, body: unknown) =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))

t.test('nothing is wrong: exit code 0, with rates and endpoints', async t => {
  const { admin, workers, kept } = await startCluster(t, 2, (_request, response) => void response.end('ok'))
  const args = ['status', '--admin', admin]
  const idle = await sluice(args)
  t.match(idle, { code: 0, err: '' })
  t.match(
    idle.out,
    /^ready {2}sluice \d+\.\d+\.\d+, up .*, 2 of 2 workers ready\n\nnothing is wrong\n\nUPSTREAM/
  )
  t.match(idle.out, /\nthings +closed +http:\/\/127\.0\.0\.1:\d+ +healthy +0 +-\n$/)

  await kept.history.sample()
  for (const { url } of workers) for (let i = 0; i < 5; i++) await call(`${url}/things/1`)
  await kept.history.sample()
  const { code, out } = await sluice(args)
  t.equal(code, 0)
  t.match(
    out,
    /\nSCOPE +REQUESTS +ERRORS +P50 +P95 +P99\nall +[\d.]+\/s +0% +[\d.]+ms +[\d.]+ms +[\d.]+ms\nthings +[\d.]+\/s +0% /
  )
  const { overview, upstreams } = JSON.parse((await sluice([...args, '--json'])).out)
  t.match([overview.state, upstreams[0].name], ['ready', 'things'])
})

t.test('an open breaker is shown first: exit code 1', async t => {
  const { admin, workers } = await startCluster(t, 2, (_request, response) => {
    response.writeHead(500).end()
  })
  const [first] = workers as [TestWorker]
  for (let i = 0; i < 6; i++) await call(`${first.url}/things/bad`)
  const { code, out } = await sluice(['status', '--admin', admin])
  t.equal(code, 1)
  t.match(out, /\ncritical {2}.*breaker of upstream "things" is open/)
  t.match(out, /\nthings +open.* http:\/\/127\.0\.0\.1:\d+ /)
  for (const worker of workers) worker.state = 'starting'
  const none = await sluice(['status', '--admin', admin])
  t.equal(none.code, 1)
  t.match(none.out, /^starting {2}.* 0 of 2 workers ready\n\ncritical /)
})

t.test('a gateway that cannot be asked: exit code 2 and one line', async t => {
  const closed = await closedPort()
  t.same(await sluice(['status', '--admin', closed]), {
    code: 2,
    out: '',
    err: `${closed} does not respond (ECONNREFUSED); is the gateway running?\n`
  })
  const { build } = await startCluster(t, 1, (_request, response) => void response.end())
  const guarded = await (await build({ host: '127.0.0.1', token: 'a-token-of-operators' })).listen({
    port: 0
  })
  const admin = guarded.replace('[::1]', '127.0.0.1')
  const wrong = await sluice(['status', '--admin', admin], { SLUICE_ADMIN_TOKEN: 'another' })
  t.same(
    [wrong.code, wrong.err],
    [
      2,
      `${admin} rejects the token; after a change of admin.token, send SIGHUP to the gateway to reload it\n`
    ]
  )
  t.equal(
    (await sluice(['status', '--admin', admin], { SLUICE_ADMIN_TOKEN: 'a-token-of-operators' })).code,
    0
  )
  for (const body of ['[1', 'null', '"text"']) {
    const other = await startService(t, (_request, response) => void response.writeHead(200).end(body))
    t.match(await sluice(['status', '--admin', other]), {
      code: 2,
      err: `${other} is not the admin API of a gateway\n`
    })
  }
  t.match(await sluice(['status', '-c', 'missing.config.ts']), { code: 2, err: /there is no such file/ })
})

t.test(
  'causes and actions are shown with their ages; text of others cannot control the terminal',
  async t => {
    const now = Date.now()
    const iso = (time: number) => new Date(time).toISOString()
    const admin = await startService(t, ({ url }, response) =>
      json(
        response,
        url === '/overview'
          ? {
              version: '1.0.0',
              startedAt: iso(now - 90_061_000),
              state: 'ready',
              workers: { ready: 1, total: 1 },
              problems: [{ severity: 'warning', message: 'bad\u001b[2J', since: iso(now - 61_000) }],
              total: { rate: 1234.5678, errorRatio: 0.01234, p50: 1.2345, p95: null, p99: null },
              scopes: [{ scope: 'a\u001b', rate: 0, errorRatio: null, p50: null, p95: null, p99: null }]
            }
          : [
              {
                name: 'orders',
                breaker: { state: 'open', since: iso(now - 5_000), until: iso(now + 25_400) },
                endpoints: [
                  {
                    url: 'http://10.0.0.1',
                    state: 'ejected',
                    inFlight: 2,
                    ejectedUntil: iso(now + 30_400),
                    lastError: { at: iso(now - 3_600_000), cause: 'connection-refused', detail: 'x\u0007y' }
                  },
                  {
                    url: 'http://10.0.0.2',
                    state: 'healthy',
                    inFlight: 0,
                    action: { action: 'drain', by: 'Ada', until: '2026-12-01T00:00:00Z' }
                  }
                ]
              }
            ]
      )
    )
    const { code, out } = await sluice(['status', '--admin', admin])
    t.equal(code, 1)
    t.notMatch(out, /[\u001b\u0007]/)
    t.match(out, 'ready  sluice 1.0.0, up 1d 1h, 1 of 1 workers ready\n')
    t.match(out, /warning {3}bad\ufffd\[2J \(since 1m 1s\)\n/)
    t.match(out, /all +1230\/s +1\.23% +1\.23ms +- +-\na\ufffd +0\/s +- +- +- +-\n/)
    t.match(
      out,
      /orders +open for 5s, tries in 25s +http:\/\/10\.0\.0\.1 +ejected, back in 30s +2 +connection-refused 1h ago: x\ufffdy\n/
    )
    t.match(out, /http:\/\/10\.0\.0\.2 +drain by Ada until 2026-12-01T00:00:00Z +0 +-\n/)

    let colored = ''
    await run(['status', '--admin', admin], {
      print(...lines) {
        colored = lines.join('\n')
      },
      printError() {},
      env: {},
      signal: new AbortController().signal,
      hasColors: true
    })
    t.match(colored, '\u001b[32mready\u001b[39m  sluice')
    t.match(colored, '\u001b[33mwarning')
  }
)

t.test('ages have two units at most', async t => {
  const ages = [
    -5, 0, 499, 59_499, 60_000, 3_599_000, 3_600_000, 3_605_000, 86_400_000, 90_061_000, 864_000_000
  ]
  t.same(ages.map(formatAge), ['0s', '0s', '0s', '59s', '1m', '59m 59s', '1h', '1h', '1d', '1d 1h', '10d'])
})
