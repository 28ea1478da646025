import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const root = join(import.meta.dirname, '../..')

t.test('a gateway does without the undici that node has within', async t => {
  // The path of a Unix socket is short.
  const directory = await mkdtemp(join(tmpdir(), 'sluice-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const program = `
    import { createRequire } from 'node:module'
    import { loadConfig } from './cluster/config.ts'
    import { warmUp } from './cluster/warm-up.ts'
    import { buildGateway } from './gateway.ts'
    const service = 'http://127.0.0.1:1'
    const env = { USERS_URL: service, ORDERS_URL: service, PRODUCTS_URL: service, JWT_ISSUER: service, JWT_AUDIENCE: 'x', LOG_LEVEL: 'silent' }
    const gateway = await buildGateway(await loadConfig('./fastify.config.ts', env))
    await warmUp(${JSON.stringify(join(directory, 'w'))}, 1_000)
    await gateway.inject('/api/v1/products/1')
    // The issuer is asked for its keys.
    const [head, claims] = [{ alg: 'RS256', kid: '1' }, { sub: '1' }].map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
    const authorization = ['Bearer ' + head, claims, 'A'.repeat(342)].join('.')
    const { statusCode } = await gateway.inject({ url: '/api/v1/users/1', headers: { authorization } })
    const own = process.moduleLoadList.filter(name => name.includes('deps/undici'))
    const files = Object.keys(createRequire(import.meta.url).cache)
    const isLoaded = name => files.some(file => file.includes('/node_modules/' + name + '/'))
    console.log(JSON.stringify({ statusCode, own, fastify: isLoaded('fastify') }))
    process.exit()`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', program],
    // What the tests are run with loads more than what is tested.
    { cwd: root, env: { PATH: process.env.PATH } }
  )
  t.same(JSON.parse(stdout), { statusCode: 503, own: [], fastify: true })
})
