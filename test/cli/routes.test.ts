import t from 'tap'
import { golden, sluice } from './golden.ts'

t.test('the routes of this repository are listed', async t => {
  const { code, out, err } = await sluice(['routes'])
  golden(t, 'routes/reference.txt', out)
  t.equal(code, 0)
  t.equal(err, '')
})

t.test('with everything that a route may have, as text and as JSON', async t => {
  const args = ['routes', '-c', 'test/cli/configs/explained.ts']
  golden(t, 'routes/explained.txt', (await sluice(args)).out)
  golden(t, 'routes/explained.json', (await sluice([...args, '--json'])).out)
})

t.test('a gateway without routes says so; one that cannot be made fails', async t => {
  t.same(await sluice(['routes', '-c', 'test/cli/configs/secret.ts']), {
    code: 0,
    out: 'no route is served\n',
    err: ''
  })
  const env = { CASE: 'has routes that throw' }
  const { code, out, err } = await sluice(['routes', '-c', 'test/cli/configs/hostile.ts'], env)
  t.same([code, out, err], [1, '', 'these routes fail\n'])
})
