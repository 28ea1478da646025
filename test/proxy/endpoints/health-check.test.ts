import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import t from 'tap'
import { products } from '../../../routes/products.ts'
import { call, closedPort, type Ending, startGateway, startService } from '../../harness.ts'
import { until } from '../../until.ts'

const scopes = { products: { prefix: '/products', routes: products } }

/** Starts a service process. */
async function spawnService(t: Ending, port: number): Promise<ChildProcess> {
  const source = `require('node:http').createServer((_, r) => r.end('${port}')).listen(${port}, '127.0.0.1', () => console.log('up'))`
  const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  return child
}

async function startChecked(t: Ending, health: object, listener: RequestListener) {
  const service = await startService(t, listener)
  const other = await startService(t, (_request, response) => response.end('other'))
  const { url, gateway } = await startGateway(t, {
    upstreams: {
      products: {
        endpoints: [{ url: `${service}/base` }, { url: other }],
        health: { path: '/healthz?full=1', interval: 20, ...health }
      }
    },
    scopes
  })
  return { url, gateway, first: () => gateway.upstreams[0]?.state().endpoints[0] }
}

t.test('a service that is killed and restarted under load returns with its first passed check', async t => {
  const ports = [Number(new URL(await closedPort()).port), Number(new URL(await closedPort()).port)]
  const [first] = await Promise.all(ports.map(port => spawnService(t, port)))
  const { url, gateway } = await startGateway(t, {
    upstreams: {
      products: {
        endpoints: ports.map(port => ({ url: `http://127.0.0.1:${port}` })),
        health: { path: '/healthz', interval: 200 },
        breaker: { failures: 1_000 }
      }
    },
    scopes
  })
  const state = () => gateway.upstreams[0]?.state().endpoints[0]
  let isDone = false
  /** Responses to calls that started since `forget()`. */
  let answers: string[] = []
  const forget = () => {
    answers = []
  }
  const load = Array.from({ length: 4 }, async () => {
    while (!isDone) {
      const noted = answers
      const { status, text } = await call(`${url}/products`)
      noted.push(status === 200 ? text : `${status}`)
    }
  })
  await until(() => answers.includes(`${ports[0]}`))
  first?.kill('SIGKILL')
  await until(() => state()?.state !== 'healthy')
  forget()
  await until(() => state()?.state === 'unhealthy' && answers.length > 50)
  t.same(new Set(answers), new Set([`${ports[1]}`]), 'no call fails while it is out of rotation')

  await spawnService(t, ports[0] as number)
  const startedAt = Date.now()
  await until(() => state()?.state === 'healthy')
  t.ok(Date.now() - startedAt < 15_000, 'long before its 30 s of ejection')
  forget()
  await until(() => answers.includes(`${ports[0]}`))
  isDone = true
  await Promise.all(load)
  t.notOk(answers.includes('502'))
})

t.test('thresholds of failed and passed checks in a row remove and return an endpoint', async t => {
  let isUp = true
  let answered = 0
  const { first } = await startChecked(t, { unhealthy: 3, healthy: 4 }, (request, response) => {
    if (request.url === '/base/healthz?full=1') answered++
    response.writeHead(isUp ? 204 : 500).end()
  })
  await until(() => answered >= 2)
  isUp = false
  await until(() => first()?.state === 'unhealthy')
  t.ok((first()?.check?.failed ?? 0) >= 3)
  isUp = true
  await until(() => first()?.state === 'healthy')
  t.ok((first()?.check?.passed ?? 0) >= 4)
})

t.test('checks do not overlap, use their own connections, and end with the gateway', async t => {
  let open = 0
  let most = 0
  let checks = 0
  const ports = new Set<number | undefined>()
  const { gateway } = await startChecked(t, { timeout: 10_000 }, (request, response) => {
    checks++
    most = Math.max(most, ++open)
    ports.add(request.socket.remotePort)
    setTimeout(() => {
      open--
      response.end()
    }, 100)
  })
  await until(() => checks >= 4)
  t.equal(most, 1)
  t.equal(ports.size, checks, 'a new connection per check')
  await gateway.close()
  const after = checks
  await new Promise(resolve => setTimeout(resolve, 300))
  t.equal(checks, after)
})

const bad: Record<string, RequestListener> = {
  'a redirect': (_request, response) => response.writeHead(302, { location: '/' }).end(),
  'no answer': () => {},
  'an answer without an end': (_request, response) => void response.writeHead(200).write('x'),
  'an aborted response': (_request, response) => {
    response.writeHead(200, { 'content-length': 10 }).write('x', () => response.destroy())
  },
  'a cut connection': request => void request.socket.destroy()
}
for (const [what, listener] of Object.entries(bad))
  t.test(`${what} fails the check`, async t => {
    const { first } = await startChecked(t, { timeout: 100, unhealthy: 1 }, listener)
    await until(() => first()?.state === 'unhealthy')
    t.pass()
  })

t.test('the expected statuses are an option', async t => {
  const answer: RequestListener = (_request, response) => response.writeHead(404).end()
  const { first } = await startChecked(t, { status: [404], unhealthy: 1 }, answer)
  await until(() => (first()?.check?.passed ?? 0) > 2)
  t.equal(first()?.state, 'healthy')
  const { first: other } = await startChecked(t, { status: [200], unhealthy: 1 }, answer)
  await until(() => other()?.state === 'unhealthy')
})
