import { fileURLToPath } from 'node:url'
import t from 'tap'
import { credentialProblems } from '../../cluster/problems/credential-problems.ts'
import { type CertificateState, certificateState } from '../../http/certificate-state.ts'
import { call, closedPort } from '../harness.ts'
import { fixture } from '../http2.ts'
import { startIssuer } from '../issuer.ts'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'

const DRAIN = 'drain: { timeout: 1_000, idle: 200 },'

t.test('/deploys has the last reloads with their differences, and crashes', async t => {
  const upstream = (port: number, key: string) => `
    ${DRAIN}
    upstreams: { things: { endpoints: [{ url: 'http://127.0.0.1:${port}' }, { url: 'http://127.0.0.1:9' }], balance: { policy: 'p2c', sticky: { key: '${key}' } } } },`
  const key = 'a-key-of-cookies-that-nobody-knows'
  const server = await startServer(t, { config: configOf(1, upstream(1, key)), workers: 1 })
  const { admin, child, reload, write, status } = server
  const deploys = async () => (await call(`${admin}/deploys`)).json
  t.match(await deploys(), {
    generation: 1,
    isReloading: false,
    workers: [{ generation: 1 }],
    reloads: [],
    crashes: []
  })

  write(configOf(2, upstream(2, `${key}-2`)))
  t.match(await reload(), { outcome: 'done' })
  const first = await deploys()
  const [change] = first.reloads
  t.match(change, {
    outcome: 'done',
    trigger: { by: 'admin', operator: 'anonymous' },
    generation: 2,
    changes: {
      files: [/gateway\.config\.ts$/],
      config: ['scopes.api.routes', 'upstreams.things.balance.sticky.key', 'upstreams.things.endpoints']
    }
  })
  t.equal(change.changes.files.length, 1)
  t.ok(change.durationMs > 0 && change.at === new Date(change.at).toISOString())
  t.notMatch(JSON.stringify(first), key)

  child.kill('SIGHUP')
  await until(async () => (await deploys()).reloads.length === 2)
  t.match((await deploys()).reloads[0], { trigger: { by: 'signal' }, changes: { files: [], config: [] } })

  write(`${configOf(3)}\nthrow new Error('broken')`)
  t.match(await reload(), { outcome: 'failed' })
  const [failed] = (await deploys()).reloads
  t.match(failed, { outcome: 'failed', reason: /broken/, generation: 3, changes: { files: [], config: [] } })
  t.match((await call(`${admin}/overview`)).json.problems, [{ kind: 'reload-failed', message: /broken/ }])

  write(configOf(2, upstream(2, `${key}-2`)))
  const pid = (await status()).workers.at(-1)?.pid as number
  process.kill(pid, 'SIGKILL')
  await until(async () => (await deploys()).crashes.length === 1)
  t.match((await deploys()).crashes, [{ pid, generation: 3, reason: 'signal SIGKILL', at: /Z$/ }])
  await until(async () => (await status()).state === 'ready')
  const { problems } = (await call(`${admin}/overview`)).json
  t.match(
    problems.find(({ kind }: { kind: string }) => kind === 'worker-crashed'),
    { severity: 'warning', subject: `pid ${pid}` }
  )
})

t.test('/deploys has certificates with their end, and issuers with their keys', async t => {
  const issuer = await startIssuer(t)
  const gone = await closedPort()
  const file = fileURLToPath(new URL('../fixtures/localhost', import.meta.url))
  const issuers = `
    ${DRAIN}
    issuers: {
      known: { issuer: '${issuer.issuer}', audience: 'api://things' },
      gone: { issuer: '${gone}', jwksUri: '${gone}/jwks', audience: 'api://things' }
    },`
  const scope = (name: string) => `
    ${name}: { prefix: '/${name}', jwt: '${name}', routes: async app => { app.get('/', async () => 'ok') } },`
  const server = await startServer(t, {
    config: configOf(1, issuers).replace('scopes: {', `scopes: {${scope('known')}${scope('gone')}`),
    workers: 2
  })
  const { admin, url } = server
  const states = async () => (await call(`${admin}/deploys`)).json.issuers
  t.match(await states(), [
    { name: 'known', url: issuer.issuer, state: 'unused', keys: 0, lastError: undefined },
    { name: 'gone', state: 'unused' }
  ])
  const token = await issuer.sign({ sub: 'ada' })
  const get = (scope: string) => call(`${url}/${scope}`, { headers: { authorization: `Bearer ${token}` } })
  await get('known')
  t.equal((await get('gone')).status, 503)
  const [known, unavailable] = await states()
  t.match(known, { state: 'ok', keys: 1, fetchedAt: /Z$/, lastError: undefined })
  t.match(unavailable, { state: 'unavailable', keys: 0, failingSince: /Z$/, lastError: /ECONNREFUSED/ })
  t.match((await call(`${admin}/overview`)).json.problems, [
    { kind: 'issuer-unavailable', severity: 'critical', subject: 'gone', since: unavailable.failingSince }
  ])
  t.same((await call(`${admin}/deploys`)).json.certificates, [])

  server.write(
    configOf(2, issuers).replace('{ port }', `{ port, tls: { cert: '${file}.pem', key: '${file}.key' } }`)
  )
  t.match(await server.reload(), { outcome: 'done' })
  t.match((await call(`${admin}/deploys`)).json.certificates, [
    { usedBy: 'listener', names: [/^DNS:localhost$/], expiresAt: /Z$/, fingerprint: /^([0-9A-F]{2}:){31}/ }
  ])
})

t.test('a certificate that expires within 14 days is a problem', t => {
  const certificate = certificateState(fixture('localhost.pem'), 'listener') as CertificateState
  const problemsIn = (days: number) => [
    ...credentialProblems(
      { issuers: [], certificates: [certificate] },
      Date.parse(certificate.expiresAt) - days * 24 * 3_600_000
    )
  ]
  t.same(problemsIn(15), [])
  t.match(problemsIn(10), [
    { kind: 'certificate-expires', severity: 'warning', message: /in 10 days/, since: null, page: 'deploys' }
  ])
  t.match(problemsIn(1), [{ severity: 'critical', since: null }])
  t.match(problemsIn(-1), [{ severity: 'critical', message: /has expired/, since: certificate.expiresAt }])
  t.end()
})
