import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { SOURCES } from './harness.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

t.test('the plugin that the page on plugins builds passes the test that the page has for it', async t => {
  const page = await readFile(join(root, 'docs/write-a-plugin.md'), 'utf8')
  const files = [...page.matchAll(/^```ts ([\w./-]+)\n([\s\S]*?)^```/gm)]
  t.same(
    files.map(([, name]) => name),
    ['plugins/api-key.ts', 'test/plugins/api-key.test.ts']
  )
  // In the package, so that it has its own name there.
  const directory = await mkdtemp(join(root, '.docs-'))
  t.teardown(() => rm(directory, { recursive: true }))
  for (const [, name = '', code = ''] of files) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), code)
  }
  // What this process tells those that it starts is for tap's own.
  const { NODE_OPTIONS, NODE_TEST_CONTEXT, ...env } = process.env
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--test', '--test-reporter=tap', join(directory, 'test/plugins/api-key.test.ts')],
    { env: { ...env, NODE_OPTIONS: SOURCES }, timeout: 50_000 }
  ).catch((error: { stdout: string }) => error)
  t.match(stdout, '# pass 5', stdout)
  t.match(stdout, '# fail 0')
})
