// npm run demo: three services, an identity provider and the gateway, each in its own process. Ctrl-C stops all of them.
// SIGUSR2 restarts processes that have exited (not SIGHUP: a closing terminal sends it, and must stop everything).
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeDemo } from './describe.ts'
import { demoClients, requestToken } from './identity.ts'
import { checkPort, createProcessGroup, type Program } from './process-group.ts'

const audience = 'api://gateway'
const ports = {
  gateway: { variable: 'PORT', port: Number(process.env.PORT ?? 8080) },
  admin: { variable: 'ADMIN_PORT', port: Number(process.env.ADMIN_PORT ?? 8081) },
  identity: { variable: 'IDENTITY_PORT', port: Number(process.env.IDENTITY_PORT ?? 4000) },
  users: { variable: 'USERS_PORT', port: Number(process.env.USERS_PORT ?? 4001) },
  orders: { variable: 'ORDERS_PORT', port: Number(process.env.ORDERS_PORT ?? 4002) },
  products: { variable: 'PRODUCTS_PORT', port: Number(process.env.PRODUCTS_PORT ?? 4003) }
}

const databases = mkdtempSync(join(tmpdir(), 'sluice-demo-'))
process.on('exit', () => rmSync(databases, { recursive: true, force: true }))

const identity = define('identity', '/.well-known/openid-configuration', { JWT_AUDIENCE: audience })
const users = define('users', '/users/ada', { DATABASE: join(databases, 'users.sqlite') })
const orders = define('orders', '/users/ada/orders', { DATABASE: join(databases, 'orders.sqlite') })
const products = define('products', '/products', {})
const gateway: Program = {
  name: 'gateway',
  file: join(import.meta.dirname, '../server.ts'),
  preload: [import.meta.resolve('./exit-with-parent.ts')],
  url: urlOf('gateway'),
  probe: `${urlOf('admin')}/readyz`,
  env: {
    HOST: '127.0.0.1',
    // The tour's rate limits and breaker responses are easier to follow with one worker.
    WORKERS: '1',
    PORT: `${ports.gateway.port}`,
    ADMIN_PORT: `${ports.admin.port}`,
    USERS_URL: users.url,
    ORDERS_URL: orders.url,
    PRODUCTS_URL: products.url,
    JWT_ISSUER: identity.url,
    JWT_AUDIENCE: audience,
    LOG_LEVEL: 'warn'
  }
}
const programs = [gateway, identity, users, orders, products]

const processes = createProcessGroup({
  startTimeout: 20_000,
  stopTimeout: 5_000,
  onExit({ name }, pid) {
    console.error(`${name} (pid ${pid}) has exited; restart it with kill -USR2 ${process.pid}`)
  }
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(0))
process.on('SIGUSR2', restartExited)
// npm runs this in a shell. A SIGTERM to npm stops the shell and does not reach this process.
const parent = process.ppid
if (process.env.npm_lifecycle_event) setInterval(() => process.ppid === parent || stop(0), 200).unref()

try {
  // Before anything starts, so that another program on a port is not taken for ours.
  for (const [name, { port, variable }] of Object.entries(ports)) await checkPort(name, port, variable)
  // The gateway last, so that its issuer is available.
  await Promise.all([identity, users, orders, products].map(processes.start))
  await processes.start(gateway)
  console.log(await describe())
} catch (error) {
  report(error)
  await stop(1)
}

function define(
  name: 'identity' | 'users' | 'orders' | 'products',
  probe: string,
  env: Program['env']
): Program {
  return {
    name,
    file: join(import.meta.dirname, `${name}.ts`),
    url: urlOf(name),
    probe: `${urlOf(name)}${probe}`,
    env: { ...env, HOST: '127.0.0.1', JWT_ISSUER: urlOf('identity'), PORT: `${ports[name].port}` }
  }
}

function urlOf(name: keyof typeof ports) {
  return `http://127.0.0.1:${ports[name].port}`
}

async function describe() {
  const tokens = await Promise.all(
    demoClients.map(async client => ({
      ...client,
      token: await requestToken(identity.url, client, audience)
    }))
  )
  return describeDemo({
    gateway: gateway.url,
    admin: urlOf('admin'),
    running: programs.map(program => ({ ...program, pid: processes.pidOf(program) })),
    tokens: Object.fromEntries(tokens.map(({ tier, token }) => [tier, token])),
    ordersPid: processes.pidOf(orders),
    demoPid: process.pid
  })
}

async function restartExited() {
  for (const program of programs) {
    if (processes.isRunning(program)) continue
    try {
      await processes.start(program)
      console.log(`${program.name} is running again (pid ${processes.pidOf(program)})`)
    } catch (error) {
      report(error)
    }
  }
}

// Errors while everything is stopping are expected.
function report(error: unknown) {
  if (!processes.isStopping()) console.error((error as Error).message)
}

async function stop(code: number) {
  if (processes.isStopping()) return
  await processes.stopAll()
  process.exit(code)
}
