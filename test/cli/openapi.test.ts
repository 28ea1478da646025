import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sluice } from './golden.ts'

t.test('the document of a config is printed, for all versions or one', async t => {
  const { code, out, err } = await sluice(['openapi'])
  t.same([code, err], [0, ''])
  const all = JSON.parse(out)
  t.ok(all.paths['/api/v1/orders'].post && all.paths['/api/v2/orders'].post && all.paths['/api/orders'].post)
  const v2 = JSON.parse((await sluice(['openapi', '--version', 'v2'])).out)
  t.equal(v2.info.title, 'Shop API v2')
  t.notOk(v2.paths['/api/v1/orders'])
})

t.test('the document is written to a file', async t => {
  const file = join(t.testdir(), 'api.json')
  t.same(await sluice(['openapi', '-o', file]), { code: 0, out: '', err: '' })
  t.equal(JSON.parse(readFileSync(file, 'utf8')).openapi, '3.1.0')
})

t.test('a file that cannot be written is named', async t => {
  const file = join(t.testdir(), 'none/api.json')
  for (const option of ['--out', '--types']) {
    const { code, err } = await sluice(['openapi', option, file])
    t.equal(code, 2)
    t.match(err, `cannot write ${file}: ENOENT`)
    t.notMatch(err, /^ +at /m)
  }
})

t.test('an unknown version is a fault that names the versions', async t => {
  const { code, out, err } = await sluice(['openapi', '--version', 'v9'])
  t.same([code, out], [1, ''])
  t.match(err, /no version "v9": the versions are v1, v2/)
})
