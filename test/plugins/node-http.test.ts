import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const root = join(import.meta.dirname, '../..')

t.test('a gateway does without the undici that node has within', async t => {
  const program = `
    import { loadConfig } from './cluster/config.ts'
    import { buildGateway } from './gateway.ts'
    const service = 'http://127.0.0.1:1'
    const env = { USERS_URL: service, ORDERS_URL: service, PRODUCTS_URL: service, JWT_ISSUER: service, JWT_AUDIENCE: 'x', LOG_LEVEL: 'silent' }
    const gateway = await buildGateway(await loadConfig('./fastify.config.ts', env))
    await gateway.inject('/api/v1/products/1')
    console.log(process.moduleLoadList.filter(name => name.includes('deps/undici')).join())
    process.exit()`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', program],
    // What the tests are run with loads more than what is tested.
    { cwd: root, env: { PATH: process.env.PATH } }
  )
  t.equal(stdout, '\n')
})
