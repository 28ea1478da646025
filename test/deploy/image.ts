import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { demoClients, requestToken } from '../../demo/identity.ts'
import { freePorts } from '../docs/free-ports.ts'
import { call } from '../harness.ts'
import { until } from '../until.ts'

/**
 * `npm run test:image`: builds the images of deploy/Dockerfile with Podman, and runs the gateway as production would, with a
 * read-only root and the shop's services as containers. Takes minutes, so the test suite does not run it.
 * `--built` tests the images of the run before. `IMAGE_ARGS` are further arguments for builds, such as `--build-arg=NODE_IMAGE=…` for another base image.
 */
const root = join(import.meta.dirname, '../..')
const GATEWAY = 'sluice-shop'
const DEMO = 'sluice-shop-demo'
const TOKEN = 'a-token-for-this-test'
const USER = '65532:65532'
/** Writable by everybody in Debian's image; read-only here. */
const TEMPORARY = ['/tmp', '/var/tmp', '/run/lock', '']
/** Milliseconds. */
const START = 120_000

const directory = mkdtempSync(join(tmpdir(), 'sluice-image-'))
const containers: string[] = []
const [port, adminPort, identityPort, usersPort, ordersPort, productsPort] = (await freePorts(6)).map(String)
const url = `http://127.0.0.1:${port}`
const admin = `http://127.0.0.1:${adminPort}`
const issuer = `http://127.0.0.1:${identityPort}`

try {
  if (!process.argv.includes('--built')) {
    await build(GATEWAY, 'gateway')
    await build(DEMO, 'demo')
  }
  await checkContents()
  await startServices()
  const gateway = await startGateway()
  const authorization = await checkRequests()
  await checkFiles(gateway)
  await checkDrain(gateway, authorization)
  console.log('ok')
} finally {
  for (const name of containers) await podman('rm', '--force', '--time=0', name)
  rmSync(directory, { recursive: true })
}

async function build(tag: string, target: string): Promise<void> {
  const { IMAGE_ARGS = '' } = process.env
  const args = ['--format=docker', '--network=host', `--target=${target}`, `--tag=${tag}`]
  const start = performance.now()
  await podman('build', '--file=deploy/Dockerfile', ...args, ...IMAGE_ARGS.split(' ').filter(Boolean), root)
  const size = Number(await podman('image', 'inspect', '--format={{.Size}}', tag))
  console.log(
    `${tag}: ${Math.round(size / 2 ** 20)} MiB, built in ${Math.round((performance.now() - start) / 1_000)} s`
  )
}

/** The image has what production needs, and nothing that the gateway could change. */
async function checkContents(): Promise<void> {
  const [{ Config }] = JSON.parse(await podman('image', 'inspect', GATEWAY))
  assert.equal(Config.User, USER)
  assert.deepEqual(Config.Cmd, ['node', 'cli/sluice.js', 'start'])
  const inside = (command: string) =>
    podman('run', '--rm', '--network=none', '--read-only', GATEWAY, 'sh', '-c', command)
  const writable = await inside(
    'find / -xdev -writable ! -type l ! -path "/proc/*" ! -path "/dev*" ! -path "/sys/*" 2>/dev/null; true'
  )
  assert.deepEqual(
    writable
      .trim()
      .split('\n')
      .filter(path => !TEMPORARY.includes(path)),
    []
  )
  const packages = (await inside('ls node_modules')).split('\n')
  assert.ok(packages.includes('fastify'))
  for (const name of ['typescript', 'tap', 'vite', 'oidc-provider']) assert.ok(!packages.includes(name), name)
  console.log(
    `node_modules: ${(await inside('du -sh node_modules dist /node_modules')).replaceAll(/\s+/g, ' ')}`
  )
}

async function startServices(): Promise<void> {
  const services = { identity: identityPort, users: usersPort, orders: ordersPort, products: productsPort }
  for (const [name, port] of Object.entries(services))
    await start(DEMO, [`--env=PORT=${port}`], ['node', `demo/${name}.ts`])
  for (const port of Object.values(services))
    await until(
      () =>
        fetch(`http://127.0.0.1:${port}/`).then(
          () => true,
          () => false
        ),
      START
    )
}

async function startGateway(): Promise<string> {
  writeFileSync(join(directory, 'token'), `${TOKEN}\n`, { mode: 0o444 })
  const variables = {
    HOST: '127.0.0.1',
    PORT: port,
    ADMIN_PORT: adminPort,
    ADMIN_TOKEN_FILE: '/run/secrets/admin-token',
    USERS_URL: `http://127.0.0.1:${usersPort}`,
    ORDERS_URL: `http://127.0.0.1:${ordersPort}`,
    PRODUCTS_URL: `http://127.0.0.1:${productsPort}`,
    JWT_ISSUER: issuer,
    WORKERS: '2'
  }
  const name = await start(GATEWAY, [
    '--memory=768m',
    `--volume=${join(directory, 'token')}:/run/secrets/admin-token:ro`,
    ...Object.entries(variables).map(([name, value]) => `--env=${name}=${value}`)
  ])
  assert.equal(await health(name), 'unhealthy', 'before the workers are ready')
  const began = performance.now()
  const isReady = () =>
    call(`${admin}/readyz`).then(
      ({ status }) => status === 200,
      () => false
    )
  await until(isReady, START)
  console.log(`ready after ${Math.round(performance.now() - began)} ms`)
  assert.equal(await health(name), 'healthy')
  return name
}

/** Returns the Authorization header of a user. */
async function checkRequests(): Promise<string> {
  const [ada] = demoClients
  assert.ok(ada)
  const authorization = `Bearer ${await requestToken(issuer, ada, 'api://gateway')}`
  assert.equal((await call(`${url}/api/v1/products`)).status, 200)
  assert.equal((await call(`${url}/api/v1/users/ada`)).status, 401)
  assert.match((await call(`${url}/api/v1/users/ada`, { headers: { authorization } })).text, /Ada Lovelace/)
  assert.match((await call(`${url}/api/v1/dashboard`, { headers: { authorization } })).text, /recommend/i)
  assert.equal((await call(`${admin}/cluster`)).status, 401)
  const { status, json } = await call(`${admin}/cluster`, { headers: { authorization: `Bearer ${TOKEN}` } })
  assert.equal(status, 200)
  assert.equal(json.workers.length, 2)
  return authorization
}

/** The gateway writes nowhere but in /tmp, which is in memory. */
async function checkFiles(name: string): Promise<void> {
  const changes = (await podman('diff', name)).split('\n').filter(Boolean)
  // Where Podman itself mounts.
  const others = changes.filter(change => !/^[AC] \/(run|tmp|var\/tmp|etc|dev|proc|sys)\b/.test(change))
  assert.deepEqual(others, [])
  console.log(`/tmp: ${(await podman('exec', name, 'du', '-sh', '/tmp')).trim()}`)
  console.log(`memory: ${(await podman('stats', '--no-stream', '--format={{.MemUsage}}', name)).trim()}`)
}

/** SIGTERM makes the gateway unready and lets it finish its request; then it exits with 0. */
async function checkDrain(name: string, authorization: string): Promise<void> {
  const order = request(`${url}/api/v2/orders`, {
    method: 'POST',
    agent: false,
    headers: {
      authorization,
      'content-type': 'application/json',
      'content-length': 2,
      expect: '100-continue'
    }
  })
  order.flushHeaders()
  // A worker has the request.
  await once(order, 'continue')
  const response = once(order, 'response')
  await podman('kill', '--signal=TERM', name)
  await until(async () => (await call(`${admin}/readyz`)).status === 503)
  assert.equal(await health(name), 'unhealthy', 'while it drains')
  order.end('{}')
  const [{ statusCode }] = await response
  assert.equal(statusCode, 400, 'an order needs items')
  assert.equal((await podman('wait', name)).trim(), '0')
}

async function start(image: string, options: string[], command: string[] = []): Promise<string> {
  const hardened = [
    '--read-only',
    '--cap-drop=ALL',
    '--security-opt=no-new-privileges',
    '--tmpfs=/tmp:size=64m'
  ]
  const id = await podman('run', '--detach', '--network=host', ...hardened, ...options, image, ...command)
  containers.push(id.trim())
  return id.trim()
}

async function health(name: string): Promise<string> {
  return podman('healthcheck', 'run', name).then(
    () => 'healthy',
    () => 'unhealthy'
  )
}

/** @throws with the output if it fails */
async function podman(...args: string[]): Promise<string> {
  try {
    return (await promisify(execFile)('podman', args, { maxBuffer: 2 ** 26 })).stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`podman ${args.join(' ')}: ${stdout.slice(-2_000)}${stderr.slice(-2_000)}`)
  }
}
