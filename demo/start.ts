// npm run demo: three services, an identity provider and the gateway in front of them, each its own process.
// Ctrl-C ends all of it. SIGUSR2 starts again what has ended (not SIGHUP: a terminal that closes sends that,
// and then everything must end).
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeDemo } from './describe.ts'
import { demoClients, requestToken } from './identity.ts'
import { checkPort, createSupervisor, type Program } from './supervise.ts'

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
  preload: [import.meta.resolve('./end-with-parent.ts')],
  url: urlOf('gateway'),
  probe: `${urlOf('admin')}/readyz`,
  env: {
    HOST: '127.0.0.1',
    // Each worker counts the failures that open a breaker by itself, and the tour counts with one.
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

const supervisor = createSupervisor({
  startTimeout: 20_000,
  stopTimeout: 5_000,
  onEnd({ name }, pid) {
    console.error(`${name} (pid ${pid}) has ended; kill -USR2 ${process.pid} starts it again`)
  }
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end(0))
process.on('SIGUSR2', startEnded)
// npm runs this in a shell, and a SIGTERM to npm ends that shell but never comes here.
const parent = process.ppid
if (process.env.npm_lifecycle_event) setInterval(() => process.ppid === parent || end(0), 200).unref()

try {
  // Asked first, so that nothing starts in vain, and no stranger at a port is taken for the program.
  for (const [name, { port, variable }] of Object.entries(ports)) await checkPort(name, port, variable)
  // The gateway last, so that it finds its issuer at once.
  await Promise.all([identity, users, orders, products].map(supervisor.start))
  await supervisor.start(gateway)
  console.log(await describe())
} catch (error) {
  report(error)
  await end(1)
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
    env: { ...env, PORT: `${ports[name].port}` }
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
    running: programs.map(program => ({ ...program, pid: supervisor.pidOf(program) })),
    tokens: Object.fromEntries(tokens.map(({ tier, token }) => [tier, token])),
    ordersPid: supervisor.pidOf(orders),
    demoPid: process.pid
  })
}

async function startEnded() {
  for (const program of programs) {
    if (supervisor.isRunning(program)) continue
    try {
      await supervisor.start(program)
      console.log(`${program.name} is up again (pid ${supervisor.pidOf(program)})`)
    } catch (error) {
      report(error)
    }
  }
}

// What fails because everything is being stopped is no news.
function report(error: unknown) {
  if (!supervisor.isStopping()) console.error((error as Error).message)
}

async function end(code: number) {
  if (supervisor.isStopping()) return
  await supervisor.stopAll()
  process.exit(code)
}
