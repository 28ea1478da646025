import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { closedPort, startService } from '../harness.ts'
import { sluice } from './golden.ts'

const json = (response: ServerResponse, status: number, body: object) =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))

t.test('reload calls the admin API with its token and prints the result', async t => {
  const seen: unknown[] = []
  const admin = await startService(t, ({ method, url, headers }, response) => {
    seen.push([method, url, headers.authorization])
    json(response, 200, { outcome: 'done', generation: 2, state: { by: 'x\u001b' } })
  })
  const args = ['reload', '--admin', `${admin}/`]
  const out = 'reloaded\n  outcome: done\n  generation: 2\n  state: {"by":"x\\u001b"}\n'
  t.same(await sluice(args, { SLUICE_ADMIN_TOKEN: 'sesame' }), { code: 0, out, err: '' })
  t.same(JSON.parse((await sluice([...args, '--json'])).out).generation, 2)
  const file = join(t.testdir({ token: 'of-a-file\n' }), 'token')
  t.equal((await sluice(args, { SLUICE_ADMIN_TOKEN_FILE: file })).code, 0)
  // Address and token from the config.
  const env = { ADMIN_PORT: new URL(admin).port, ADMIN_TOKEN: 'sixteen-characters' }
  t.equal((await sluice(['reload'], env)).code, 0)
  t.same(seen, [
    ['POST', '/reload', 'Bearer sesame'],
    ['POST', '/reload', undefined],
    ['POST', '/reload', 'Bearer of-a-file'],
    ['POST', '/reload', 'Bearer sixteen-characters']
  ])
})

t.test('a failed reload prints the reason', async t => {
  const responses: [number, object, string][] = [
    [
      409,
      { title: 'Not reloaded', reason: 'The configuration has 1 fault:\n/listen/port must be integer' },
      '409 Not reloaded\n  The configuration has 1 fault:\n  /listen/port must be integer\n'
    ],
    [
      500,
      { title: 'Failed', errors: [{ path: '/a', message: 'is bad\u001b' }, 'text', null] },
      '500 Failed\n  /a is bad\ufffd\n  text\n  \n'
    ],
    [503, [], '503 Service Unavailable\n']
  ]
  for (const [status, body, out] of responses) {
    const admin = await startService(t, (_request, response) => json(response, status, body))
    t.same(await sluice(['reload', '--admin', admin]), { code: 1, out, err: '' })
  }
  const html = await startService(t, (_request, response) => void response.writeHead(502).end('<html>'))
  t.same(await sluice(['reload', '--admin', html]), { code: 1, out: '502 Bad Gateway\n', err: '' })
  const old = await startService(t, (_request, response) => json(response, 404, {}))
  t.match(
    (await sluice(['reload', '--admin', old])).out,
    /has no \/reload: this gateway cannot reload its config/
  )
  const redirecting = await startService(
    t,
    (_request, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
  )
  t.equal(
    (await sluice(['reload', '--admin', redirecting])).code,
    1,
    'redirects are not followed, so the token stays here'
  )
  const closed = await closedPort()
  t.match(await sluice(['reload', '--admin', closed]), { code: 1, err: /is the gateway running/ })
})
