import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { environmentOf } from '../harness.ts'

/** Prints which of the modules that make documents are loaded by a gateway, before and after its first document. */
const PROGRAM = `
  import { registerHooks } from 'node:module'
  const urls = []
  registerHooks({
    load(url, context, nextLoad) {
      urls.push(url)
      return nextLoad(url, context)
    }
  })
  const { buildGateway } = await import('./gateway.ts')
  const { resolveConfig } = await import('./config/resolve-config.ts')
  const gateway = await buildGateway(resolveConfig({ default: { log: { level: 'silent' } } }, {}))
  const count = () => urls.filter(url => /@fastify[/]swagger|openapi[/]build|node_modules[/]yaml/.test(url)).length
  const before = count()
  await gateway.openapi.document()
  console.log(JSON.stringify([before, count() > 0]))
  process.exit()`

t.test('a gateway loads what makes documents on the first request for one', async t => {
  const args = ['--input-type=module', '-e', PROGRAM]
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: join(import.meta.dirname, '../..'),
    env: environmentOf()
  })
  t.same(JSON.parse(stdout), [0, true])
})
