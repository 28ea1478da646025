import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { startEcho } from './echo.ts'
import { createFuzz, type Fuzz, mutate, split } from './fuzz.ts'
import { field, type ResponseMessage } from './http-message.ts'
import { Client, connectionsOf, startRecorder, until } from './raw-sockets.ts'

/**
 * Generated responses, most of them mutated. Each client gets its own well-formed response, or the end of its connection.
 * Valid responses arrive unchanged. No connection is left on either side.
 */
const CASES = 600
const AT_A_TIME = 100

t.test('clients get only their own responses, whatever a service sends', async t => {
  const fuzz = createFuzz(CASES)
  const answers = new Map<string, { pieces: string[]; ends: boolean }>()
  const service = await startRecorder(t, ({ target }, socket) => {
    const answer = answers.get(target.slice(1))
    if (answer !== undefined) void write(answer, socket)
    return undefined
  })
  const { url, gateway } = await startEcho(t, service.url, { deadline: 1_000, connections: 2 * AT_A_TIME })

  async function run(id: number): Promise<string | undefined> {
    const good = responseOf(fuzz, id)
    const isGood = fuzz.chance(0.3)
    const bytes = isGood ? good.bytes : mutate(good.bytes, fuzz)
    answers.set(String(id), { pieces: split(bytes, fuzz), ends: good.ends || (!isGood && fuzz.chance(0.5)) })
    const client = new Client(url).write(
      `${good.method} /echo/${id} HTTP/1.1\r\nHost: g\r\n\r\n`,
      good.method
    )
    const where = () => `case ${id}: ${JSON.stringify(bytes)} arrived as ${JSON.stringify(client.bytes)}`
    let answer: ResponseMessage | undefined
    try {
      do answer = await client.response()
      while (answer.status < 200)
    } catch (error) {
      client.end()
      // A mutated response may be aborted, but neither malformed nor, if valid, aborted.
      if (isGood || !/^the connection was closed/.test((error as Error).message))
        return `${(error as Error).message}, ${where()}`
      return undefined
    }
    client.end()
    const owner = field(answer, 'x-case')
    if (isGood && (owner !== String(id) || answer.status !== good.status || answer.body !== good.body))
      return `a valid response changed, ${where()}`
    // A mutated response may lose its mark, but not have another's.
    return owner === undefined || bytes.includes(owner)
      ? undefined
      : `the response of another request, ${where()}`
  }

  for (let id = 0; id < fuzz.cases; id += AT_A_TIME) {
    const faults = await Promise.all(Array.from({ length: AT_A_TIME }, (_, i) => run(id + i)))
    for (const fault of faults) if (fault !== undefined) t.fail(`FUZZ_SEED=${fuzz.seed}: ${fault}`)
  }
  t.same(service.faults, [], `FUZZ_SEED=${fuzz.seed}`)
  await until(async () => (await connectionsOf(gateway)) === 0, 'client connections to close')
  await gateway.close()
  await until(() => service.connections() === 0, 'connections to the service to close')
})

async function write(
  { pieces, ends }: { pieces: string[]; ends: boolean },
  socket: import('node:net').Socket
) {
  for (const piece of pieces) {
    socket.write(piece, 'latin1')
    await turn()
  }
  if (ends) socket.end()
}

/** Returns a valid response. `ends`: it ends with its connection. */
function responseOf({ int, pick, chance, bytes }: Fuzz, id: number) {
  const method = pick(['GET', 'GET', 'POST', 'HEAD'])
  const status = pick([200, 200, 201, 204, 206, 301, 304, 400, 404, 500, 503])
  const hasBody = method !== 'HEAD' && status !== 204 && status !== 304
  const body = hasBody ? bytes(int(chance(0.9) ? 40 : 3_000)).repeat(chance(0.1) ? 50 : 1) : ''
  const fields = [`X-Case: ${id}`]
  for (let i = int(4); i > 0; i--)
    fields.push(
      pick([
        'Content-Type: text/plain',
        'Set-Cookie: a=b',
        'Connection: x-1',
        'X-1: a',
        'ETag: "a"',
        'X-Latin: \xe9',
        'Date: x',
        'Via: 1.0 x'
      ])
    )
  let text = body
  let ends = false
  if (hasBody) {
    const framing = pick(['length', 'length', 'chunked', 'end'])
    if (framing === 'length') fields.push(`Content-Length: ${body.length}`)
    if (framing === 'chunked') {
      fields.push('Transfer-Encoding: chunked')
      text = ''
      for (let at = 0; at < body.length; ) {
        const piece = body.slice(at, at + 1 + int(body.length))
        text += `${piece.length.toString(16)}\r\n${piece}\r\n`
        at += piece.length
      }
      text += '0\r\n\r\n'
    }
    ends = framing === 'end'
  }
  const early = chance(0.1) ? 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' : ''
  return {
    method,
    status,
    body,
    ends,
    bytes: `${early}HTTP/1.1 ${status} ${pick(['OK', '', 'Some Reason'])}\r\n${fields.join('\r\n')}\r\n\r\n${text}`
  }
}
