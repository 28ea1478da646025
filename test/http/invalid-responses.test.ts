import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startTcpService } from '../harness.ts'
import { startEcho } from './echo.ts'
import { field } from './http-message.ts'
import { Client, until } from './raw-sockets.ts'

/**
 * Invalid responses of a service. The client gets a 502, or an aborted response, and never the response of another request.
 * The next exchange works.
 */
type Case = [what: string, bytes: string]

const OK = 'HTTP/1.1 200 OK\r\n'
const ONE = 'Content-Length: 1\r\n\r\na'
const CHUNKED = 'Transfer-Encoding: chunked\r\n\r\n'
const AGAIN = `${OK}Content-Length: 5\r\n\r\nAGAIN`

const REJECTED: Case[] = [
  ['nothing', ''],
  ['length and coding', `${OK}Content-Length: 3\r\n${CHUNKED}0\r\n\r\n`],
  ['two lengths', `${OK}Content-Length: 3\r\nContent-Length: 2\r\n\r\nabc`],
  ['two equal lengths', `${OK}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`],
  ...['3,3', '+3', '-3', '', '0x3', '99999999999999999999'].map(
    (value): Case => [`length ${JSON.stringify(value)}`, `${OK}Content-Length: ${value}\r\n\r\nabc`]
  ),
  ...['gzip', 'gzip, chunked', 'xchunked', 'identity', 'chunked, chunked'].map(
    (value): Case => [`coding ${value}`, `${OK}Transfer-Encoding: ${value}\r\n\r\n1\r\na\r\n0\r\n\r\n`]
  ),
  ['a bad first chunk', `${OK}${CHUNKED}zz\r\na\r\n0\r\n\r\n`],
  ['chunks ended by LF', `${OK}${CHUNKED}1\na\n0\n\n`],
  ['lines ended by LF', 'HTTP/1.1 200 OK\nContent-Length: 1\n\na'],
  ['a field ended by LF', `${OK}X: y\n${ONE}`],
  ['CR in a field', `${OK}X: a\rSet-Cookie: b\r\n${ONE}`],
  ['a folded field', `${OK}X: a\r\n b\r\n${ONE}`],
  ...['\0', '\x01', '\x7f'].map(
    (byte): Case => [`${JSON.stringify(byte)} in a field`, `${OK}X: a${byte}b\r\n${ONE}`]
  ),
  ['space before a colon', `${OK}X : a\r\n${ONE}`],
  ['a field without a name', `${OK}: a\r\n${ONE}`],
  ['an invalid field name', `${OK}X(y: a\r\n${ONE}`],
  ...['99', '099', '000', '600', '999', '1000', 'abc', '-1'].map(
    (status): Case => [`status ${status}`, `HTTP/1.1 ${status} X\r\n${ONE}`]
  ),
  ['a head of 17 KiB', `${OK}X: ${'a'.repeat(17_000)}\r\n${ONE}`],
  ['20,000 fields', `${OK}${'a: b\r\n'.repeat(20_000)}${ONE}`],
  ['a truncated body of a length that is buffered', `${OK}Content-Length: 10\r\n\r\nabc`],
  ['HTTP/0.9', 'hello'],
  ['HTML and nothing else', '<html></html>\r\n\r\n'],
  ['another protocol', `ICY 200 OK\r\n${ONE}`],
  ['HTTP/1.2', `HTTP/1.2 200 OK\r\n${ONE}`],
  ['an unrequested 101', 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nEVIL'],
  ['101 without a protocol', 'HTTP/1.1 101 Switching Protocols\r\n\r\nEVIL'],
  ['100 interim responses', `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(100)}${OK}${ONE}`],
  ['an interim response with a body', `HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nabcde${OK}${ONE}`]
]

/** These break after the headers were passed on. */
const ABORTED: Case[] = [
  ['a bad second chunk', `${OK}${CHUNKED}1\r\na\r\nzz\r\n0\r\n\r\n`],
  ['a chunk longer than it says', `${OK}${CHUNKED}1\r\nab\r\n0\r\n\r\n`],
  ['a truncated chunk', `${OK}${CHUNKED}5\r\nabc`],
  ['no last chunk', `${OK}${CHUNKED}3\r\nabc\r\n`],
  ['a truncated long body', `${OK}Content-Length: 100000\r\n\r\nabc`],
  ['a trailer that would be framing', `${OK}${CHUNKED}1\r\na\r\n0\r\nContent-Length: 9\r\n\r\n`],
  ['an invalid trailer', `${OK}${CHUNKED}1\r\na\r\n0\r\nbad\r\n\r\n`]
]

/** These pass; bytes behind the response are dropped. */
const PASSED: [what: string, bytes: string, status: number, body: string][] = [
  ['bytes behind the body', `${OK}${ONE}bc`, 200, 'a'],
  ['a second response', `${OK}${ONE}${OK}Content-Length: 4\r\n\r\nEVIL`, 200, 'a'],
  ['a 204 with a body', 'HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nEVIL', 204, ''],
  ['a chunked 204', `HTTP/1.1 204 No Content\r\n${CHUNKED}4\r\nEVIL\r\n0\r\n\r\n`, 204, ''],
  ['a 304 with a body', 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 4\r\n\r\nEVIL', 304, ''],
  ['a reason of control characters', `HTTP/1.1 200 \x01\r\n${ONE}`, 200, 'a'],
  ['no reason', `HTTP/1.1 200\r\n${ONE}`, 200, 'a'],
  ['HTTP/1.0, to the end of the connection', 'HTTP/1.0 200 OK\r\n\r\nto the end', 200, 'to the end'],
  ['HTTP/1.1, to the end of the connection', `${OK}\r\nto the end`, 200, 'to the end'],
  ['Connection that names the framing', `${OK}Connection: content-length\r\n${ONE}`, 200, 'a'],
  ["the gateway's own fields", `${OK}X-Request-Id: evil\r\nKeep-Alive: max=1\r\n${ONE}`, 200, 'a']
]

/** Starts a gateway whose service sends `bytes` once, and valid responses afterwards, over one connection. */
async function start(t: Test, keepsOpen: boolean) {
  let bytes: string | undefined
  const service = await startTcpService(t, socket => {
    socket.write(bytes ?? AGAIN, 'latin1')
    if (bytes !== undefined && !keepsOpen) socket.end()
    bytes = undefined
  })
  const { url, gateway } = await startEcho(t, service, { connections: 1 })
  return {
    gateway,
    /** Runs exchanges of two clients, the second after the response to the first. */
    async exchange(text: string) {
      bytes = text
      const first = ask(url)
      const answer = await first.response().catch(error => error as Error)
      const second = ask(url)
      const next = await second.response()
      second.end()
      const isAborted = answer instanceof Error
      if (isAborted) await until(() => first.isClosed || undefined, 'the connection to close')
      first.end()
      return { answer, next, bytes: first.bytes }
    }
  }
}

function ask(url: string): Client {
  return new Client(url).write(
    'GET /echo/x HTTP/1.1\r\nHost: g\r\nTE: trailers\r\nConnection: TE\r\n\r\n',
    'GET'
  )
}

t.test('an invalid response is a 502, and the next exchange works', async t => {
  const { exchange } = await start(t, false)
  for (const [what, bytes] of REJECTED) {
    const { answer, next } = await exchange(bytes)
    if (answer instanceof Error) {
      t.fail(`${what}: ${answer.message}`)
      continue
    }
    t.equal(answer.status, 502, what)
    t.match(field(answer, 'content-type'), /^application\/problem\+json/)
    t.notMatch(answer.body, /EVIL|abc|127\.0\.0\.1/)
    t.equal(next.body, 'AGAIN', `${what}: the next response belongs to its request`)
  }
})

t.test('a response that breaks after its headers is aborted', async t => {
  const { exchange } = await start(t, false)
  for (const [what, bytes] of ABORTED) {
    const { answer, next, bytes: seen } = await exchange(bytes)
    t.ok(answer instanceof Error, what)
    t.notMatch(seen, '\r\n0\r\n', 'no last chunk')
    t.equal(next.body, 'AGAIN', `${what}: the next response belongs to its request`)
  }
})

t.test('bytes besides the response are dropped', async t => {
  for (const keepsOpen of [true, false]) {
    const { exchange } = await start(t, keepsOpen)
    for (const [what, bytes, status, body] of PASSED) {
      if (keepsOpen && body === 'to the end') continue
      const { answer, next } = await exchange(bytes)
      if (answer instanceof Error) {
        t.fail(`${what}: ${answer.message}`)
        continue
      }
      t.equal(answer.status, status, what)
      t.equal(answer.body, body, what)
      t.not(field(answer, 'x-request-id'), 'evil')
      t.equal(next.body, 'AGAIN', `${what}: the next response belongs to its request`)
    }
  }
})

t.test('a response without a request reaches nobody (response queue poisoning)', async t => {
  let kept: Socket | undefined
  const service = await startTcpService(t, socket => {
    kept = socket
    socket.write(AGAIN, 'latin1')
  })
  const { url } = await startEcho(t, service, { connections: 1 })
  for (let i = 0; i < 20; i++) {
    const client = ask(url)
    t.equal((await client.response()).body, 'AGAIN')
    client.end()
    // The connection that the next client would use.
    const poisoned = kept as Socket
    poisoned.write(`${OK}Content-Length: 4\r\n\r\nEVIL`)
    await until(() => poisoned.destroyed || undefined, 'the poisoned connection to close')
  }
})
