import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../cluster/config.ts'
import { names } from './configs/faulty.ts'
import { golden, sluice } from './golden.ts'

const FAULTY = 'test/cli/configs/faulty.ts'

t.test('the example gateway has no faults and no findings', async t => {
  const { code, out, err } = await sluice(['check'])
  golden(t, 'check/example.txt', out)
  t.equal(code, 0)
  t.equal(err, '')
})

t.test('--json prints the same report', async t => {
  const { code, out } = await sluice(['check', '--json', '--strict'])
  golden(t, 'check/example.json', out)
  t.equal(code, 0)
  const args = ['check', '--json', '--strict', '-c', 'test/cli/configs/audited.ts']
  const found = await sluice(args, { CASE: 'body-limit-large' })
  golden(t, 'check/warnings.json', found.out)
  t.equal(found.code, 1)
})

t.test('all faults are listed, including those of the environment', async t => {
  const { code, out } = await sluice(['check'], { PORT: 'x', ORDERS_URL: 'orders:4002', LOG_LEVEL: 'loud' })
  golden(t, 'check/environment.txt', out)
  t.equal(code, 1)
})

for (const name of names)
  t.test(`a config that ${name} has a fault`, async t => {
    const { code, out, err } = await sluice(['check', '-c', FAULTY], { CASE: name })
    golden(t, `check/${name.replaceAll(' ', '-')}.txt`, out)
    t.equal(code, 1)
    t.equal(err, '')
    t.notMatch(out, /[\x00-\x09\x0b-\x1f\u202e]/)
    const json = JSON.parse((await sluice(['check', '-c', FAULTY, '--json'], { CASE: name })).out)
    t.equal(json.ok, false)
    t.ok(json.faults.length > 0)
  })

t.test('a file that is not a config is reported in one line', async t => {
  const directory = t.testdir()
  const files: Record<string, string | Buffer> = {
    'garbage.ts': Buffer.from([0, 1, 2, 0xff, 0xfe, 10, 0x1b]),
    'throws.ts': 'throw null',
    'rejects.ts': 'await Promise.reject(new Error("not today"))',
    'syntax.ts': 'export default {',
    'enum.ts': 'enum A { b }\nexport default {}',
    'empty.ts': '',
    'import.ts': "import './nowhere.ts'\nexport default {}",
    'text.txt': 'hello'
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content)
  for (const name of [...Object.keys(files), 'missing.ts', '.']) {
    const file = join(directory, name)
    const { code, out } = await sluice(['check', '-c', file])
    t.equal(code, 1, name)
    t.match(out, /^fault {4}\S+ .{5,}\n\n1 fault\n$/, name)
  }
})

t.test('a config in a CommonJS package gets a hint', async t => {
  const folder = t.testdir({
    'package.json': '{ "type": "commonjs" }',
    'import.ts': "import 'node:fs'\nexport default {}",
    'export.ts': 'export default {}'
  })
  for (const file of [`${folder}/import.ts`, `${folder}/export.ts`])
    await t.rejects(loadConfig(file, {}), {
      message: `${file} cannot be loaded as CommonJS: set "type": "module" in its package.json`
    })
})

t.test('loading a config times out', async t => {
  await t.rejects(loadConfig('test/cli/configs/never-loads.ts', {}, 50), {
    message: 'test/cli/configs/never-loads.ts is not loaded within 0.05 s'
  })
})
