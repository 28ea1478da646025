import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { environmentOf } from '../harness.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Prints the URLs of the modules that `sluice start` loads. */
const PROGRAM = `
  import { registerHooks } from 'node:module'
  const urls = []
  registerHooks({
    load(url, context, nextLoad) {
      urls.push(url)
      return nextLoad(url, context)
    }
  })
  await import('./cli/sluice.ts')
  await import('./cli/start.ts')
  console.log(JSON.stringify(urls))
  process.exit()`
/** Each would add megabytes to a process that only accepts connections and starts workers. */
const FOR_WORKERS = [
  '/gateway.ts',
  '/openapi/documents.ts',
  '/index.ts',
  '/plugins/upstreams.ts',
  '/proxy/upstream.ts',
  '/schemas/options/gateway.ts',
  '/node_modules/@fastify/jwt/',
  '/node_modules/@fastify/rate-limit/',
  '/node_modules/@fastify/reply-from/',
  '/node_modules/@fastify/swagger/',
  '/node_modules/ioredis/',
  '/node_modules/opossum/',
  '/node_modules/undici/'
]

t.test('the supervisor does not load the modules of a gateway', async t => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    cwd: root,
    env: environmentOf()
  })
  const urls: string[] = JSON.parse(stdout)
  for (const path of ['/cluster/supervisor.ts', '/node_modules/fastify/'])
    t.ok(
      urls.some(url => url.includes(path)),
      `loads ${path}`
    )
  for (const path of FOR_WORKERS)
    t.notOk(
      urls.find(url => url.includes(path)),
      `does not load ${path}`
    )
})
