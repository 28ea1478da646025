import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../cluster/config.ts'
import { names } from './configs/hostile.ts'
import { golden, sluice } from './golden.ts'

const HOSTILE = 'test/cli/configs/hostile.ts'

t.test('the gateway of this repository has no faults and no errors', async t => {
  const { code, out, err } = await sluice(['check'])
  golden(t, 'check/reference.txt', out)
  t.equal(code, 0)
  t.equal(err, '')
})

t.test('the same as JSON', async t => {
  const { code, out } = await sluice(['check', '--json', '--strict'])
  golden(t, 'check/reference.json', out)
  t.equal(code, 0)
  const args = ['check', '--json', '--strict', '-c', 'test/cli/configs/audited.ts']
  const found = await sluice(args, { CASE: 'body-limit-large' })
  golden(t, 'check/warnings.json', found.out)
  t.equal(found.code, 1)
})

t.test('every fault is listed, of the environment too', async t => {
  const { code, out } = await sluice(['check'], { PORT: 'x', ORDERS_URL: 'orders:4002', LOG_LEVEL: 'loud' })
  golden(t, 'check/environment.txt', out)
  t.equal(code, 1)
})

for (const name of names)
  t.test(`a config that ${name} is a fault, and no more`, async t => {
    const { code, out, err } = await sluice(['check', '-c', HOSTILE], { CASE: name })
    golden(t, `check/${name.replaceAll(' ', '-')}.txt`, out)
    t.equal(code, 1)
    t.equal(err, '')
    t.notMatch(out, /[\x00-\x09\x0b-\x1f\u202e]/)
    const json = JSON.parse((await sluice(['check', '-c', HOSTILE, '--json'], { CASE: name })).out)
    t.equal(json.ok, false)
    t.ok(json.faults.length > 0)
  })

t.test('what is no config file is a fault in one line', async t => {
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

t.test('a config that is never loaded is given up', async t => {
  await t.rejects(loadConfig('test/cli/configs/hangs.ts', {}, 50), {
    message: 'test/cli/configs/hangs.ts is not loaded within 0.05 s'
  })
})
