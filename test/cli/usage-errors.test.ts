import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startCluster } from '../cluster/workers.ts'
import { call } from '../harness.ts'
import { startWatched } from '../observe/recorder/gateway.ts'
import { sluice } from './golden.ts'

t.test('a command or option that does not exist is reported with the nearest one', async t => {
  const errorOf = async (...args: string[]) => {
    const { code, out, err } = await sluice(args)
    t.same([code, out], [2, ''], args.join(' '))
    return err
  }
  t.equal(
    await errorOf('chekc'),
    'sluice: unknown command "chekc"; did you mean check? run sluice help for a list\n'
  )
  t.equal(await errorOf('frobnicate'), 'sluice: unknown command "frobnicate"; run sluice help for a list\n')
  t.equal(await errorOf('check', '--strcit'), 'sluice: unknown option --strcit; did you mean --strict?\n')
  t.equal(
    await errorOf('tail', '--upsteam=x'),
    'sluice: unknown option --upsteam; did you mean --upstream?\n'
  )
  t.equal(await errorOf('routes', '--frobnicate'), 'sluice: unknown option --frobnicate\n')
  t.equal(
    await errorOf('help', 'tial'),
    'sluice: unknown command "tial"; did you mean tail? run sluice help for a list\n'
  )
})

t.test('a filter that no exchange can pass is wrong usage, also without a gateway', async t => {
  for (const [option, value] of [
    ['since', 'yesterday'],
    ['since', '2026-13-45'],
    ['since', '2026-11-31T00:00:00Z'],
    ['since', '2026-11-30T10:00:00'],
    ['since', '1'.repeat(40)],
    ['status', '6xx'],
    ['min-duration', 'long'],
    ['min-duration', '-1'],
    ['trace', 'abc'],
    ['scope', 'x'.repeat(100)],
    ['request-id', 'x'.repeat(200)]
  ] as const) {
    const { code, out, err } = await sluice(['tail', `--${option}=${value}`, '--admin', 'http://127.0.0.1:9'])
    t.same([code, out], [2, ''], `${option} ${value}`)
    t.match(err, new RegExp(`^sluice: --${option} must be [^\\n]+\\n$`))
  }
})

t.test('an invalid value is wrong usage, reported in one line without secrets', async t => {
  const admin = ['--admin', 'http://127.0.0.1:9']
  for (const [args, env, message] of [
    [['tail', '--scope=', ...admin], {}, '--scope must not be empty'],
    [['check', '--config='], {}, '--config must not be empty'],
    [['explain', 'GET', 'api/v1/products'], {}, 'URL must begin with / or http://, such as /api/v1/products'],
    [['explain', 'GET', '/', '--as='], {}, '--as must not be empty'],
    [['explain', 'GET', '/', '--from', '127.0.0.1:80'], {}, '--from must be an IP address'],
    [['tail', '-n', '0', ...admin], {}, '--count must be a whole number, 1 or more'],
    [['reload', '--admin', '127.0.0.1:8081'], {}, '--admin must be a URL such as http://127.0.0.1:8081'],
    [['reload', '--admin', 'http://me:hunter2@127.0.0.1:9'], {}, '--admin must be a URL without'],
    [['tail', ...admin], { SLUICE_ADMIN_TOKEN: 'hunter2\nx' }, 'SLUICE_ADMIN_TOKEN must be ASCII'],
    [
      ['status', ...admin],
      { SLUICE_ADMIN_TOKEN_FILE: 'hunter2' },
      'SLUICE_ADMIN_TOKEN_FILE names a file that'
    ]
  ] as const) {
    const { code, out, err } = await sluice([...args], env)
    t.same([code, out], [2, ''], args.join(' '))
    t.match(err, /^[^\n]+\n$/)
    t.ok(err.startsWith(`sluice: ${message}`), err)
    t.notMatch(err, 'hunter2')
  }
})

t.test('an unknown name is reported with the known ones', async t => {
  const { admin } = await startWatched(t, (_request, response) => void response.end())
  for (const [option, value, message] of [
    ['scope', 'thigns', '--scope must be one of things; did you mean things?'],
    ['upstream', 'nope', '--upstream must be one of things'],
    [
      'route',
      '/thing/*',
      '--route must be one of /things/echo, /things/*, /things/reset/:token; did you mean /things/*?'
    ]
  ] as const)
    t.same(await sluice(['tail', '--admin', admin, `--${option}`, value]), {
      code: 2,
      out: '',
      err: `sluice: ${message}\n`
    })
  t.equal((await call(`${admin}/exchanges?since=yesterday`)).status, 400)
})

t.test('the admin API of several workers reports an unknown name too', async t => {
  const { admin } = await startCluster(t, 2, (_request, response) => void response.end())
  t.match(await sluice(['tail', '--admin', admin, '--scope', 'nope']), {
    code: 2,
    err: /^sluice: --scope must be/
  })
  t.match(await call(`${admin}/exchanges/live?since=yesterday`), { status: 400 })
})

t.test("the gateway's own port is not taken for the admin API", async t => {
  const { url } = await startWatched(t, (_request, response) => void response.end())
  const message = `${url} is not the admin API of a gateway; is that the port of the gateway itself?\n`
  for (const args of [['tail'], ['reload'], ['reload', '--json']])
    t.same(await sluice([...args, '--admin', url]), { code: 1, out: '', err: message }, args.join(' '))
})

t.test('the path of a key file is not a secret', async t => {
  const directory = t.testdir()
  const file = join(directory, 'tls.config.ts')
  for (const key of ['test/fixtures/localhost.key', './test/fixtures/localhost.key']) {
    const tls = { cert: 'test/fixtures/localhost.pem', key }
    await writeFile(file, `export default { listen: { tls: ${JSON.stringify(tls)} } }`)
    t.match(JSON.parse((await sluice(['check', '--json', '-c', file])).out), { ok: true, faults: [] })
  }
})
