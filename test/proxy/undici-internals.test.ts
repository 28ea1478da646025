import t from 'tap'
import { buildConnector } from 'undici'
import { Http1Client, isNotHttp } from '../../proxy/undici-internals.ts'
import { type Ending, startTcpService } from '../harness.ts'

/** Internals that HTTP/1.1 calls rely on in undici: it reads through `socket.push`, and keeps the error of a destroyed socket. */

t.test('interim responses of any number up to the limit precede a response', async t => {
  const text = await ask(
    t,
    `${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(3)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`
  )
  t.equal(text, 'ok')
})

const invalid: [what: string, response: string, cause: RegExp][] = [
  ['another protocol', 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n', /answered "HTTP\/2.0/],
  [
    'chunks in HTTP/1.0',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    /chunks in HTTP\/1.0/
  ],
  [
    'endless interim responses',
    'HTTP/1.1 102 Processing\r\n\r\n'.repeat(17),
    /more than 16 interim responses/
  ]
]
for (const [what, response, cause] of invalid)
  t.test(`${what} fails with the gateway's own error`, async t => {
    const error = await ask(t, response).then(
      () => undefined,
      (error: Error & { code: string }) => error
    )
    t.equal(error?.code, 'SLUICE_UPSTREAM_INVALID_RESPONSE')
    t.match((error as Error).cause, { message: cause })
  })

t.test('the message of an unasked 101 is known', async t => {
  const response = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'
  await t.rejects(ask(t, response), { message: 'bad upgrade' })
  t.ok(isNotHttp('bad upgrade'))
  t.notOk(isNotHttp('other side closed'))
})

async function ask(t: Ending, response: string): Promise<string> {
  const origin = new URL(await startTcpService(t, socket => socket.write(response)))
  const client = new Http1Client(origin, { connect: buildConnector({ allowH2: false }) })
  t.teardown(() => client.destroy())
  const { body } = await client.request({ path: '/', method: 'GET' })
  return body.text()
}
