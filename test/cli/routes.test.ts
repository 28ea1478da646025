import t from 'tap'
import { golden, sluice } from './golden.ts'

t.test('the routes of the example gateway are listed', async t => {
  const { code, out, err } = await sluice(['routes'])
  golden(t, 'routes/example.txt', out)
  t.equal(code, 0)
  t.equal(err, '')
})

t.test('all properties of routes are listed, as text and as JSON', async t => {
  const args = ['routes', '-c', 'test/cli/configs/explained.ts']
  golden(t, 'routes/explained.txt', (await sluice(args)).out)
  golden(t, 'routes/explained.json', (await sluice([...args, '--json'])).out)
})

t.test('a config without routes succeeds; one whose routes throw fails', async t => {
  t.same(await sluice(['routes', '-c', 'test/cli/configs/with-secrets.ts']), {
    code: 0,
    out: 'no routes\n',
    err: ''
  })
  const env = { CASE: 'has throwing routes' }
  const { code, out, err } = await sluice(['routes', '-c', 'test/cli/configs/faulty.ts'], env)
  t.same([code, out, err], [1, '', 'these routes fail\n'])
})
