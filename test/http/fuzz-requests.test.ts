import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { startEcho } from './echo.ts'
import { createFuzz, type Fuzz, mutate, split } from './fuzz.ts'
import { field, type ResponseMessage, readRequest, readResponse } from './http-message.ts'
import { Client, connectionsOf, type Received, startRecorder, until } from './raw-sockets.ts'

/**
 * Generated requests, most of them mutated. All responses are well-formed. The service gets each forwarded request with the
 * method, target and body that a strict parser reads from the client's bytes.
 */
const CASES = 600
const AT_A_TIME = 200

t.test('gateway and service agree on each request', async t => {
  const fuzz = createFuzz(CASES)
  const service = await startRecorder(
    t,
    request => `HTTP/1.1 200 OK\r\nX-Case: ${caseOf(request)}\r\nContent-Length: 2\r\n\r\nok`
  )
  const { url, gateway } = await startEcho(t, service.url, {
    http: { headersTimeout: 1_000, requestTimeout: 3_000 },
    deadline: 1_000,
    failures: 1
  })
  let accepted = 0

  async function run(id: number): Promise<string | undefined> {
    const good = request(fuzz, id)
    const isGood = good.method === 'HEAD' || fuzz.chance(0.3)
    const bytes = isGood ? good.bytes : mutate(good.bytes, fuzz)
    const client = new Client(url)
    for (const piece of split(bytes, fuzz)) {
      client.write(piece)
      await turn()
    }
    let answers: ResponseMessage[] = []
    try {
      await until(() => {
        answers = responsesOf(client, good.method)
        return client.isClosed || answers.some(answer => answer.status >= 200)
      }, 'an answer')
      client.end()
    } catch (error) {
      return `${(error as Error).message}\nsent ${JSON.stringify(bytes)}\ngot ${JSON.stringify(client.bytes)}`
    }
    const own = service.received.filter(received => caseOf(received) === String(id))
    const sent = parseStrictly(bytes)
    if (isGood && own.length !== 1) return `forwarded ${own.length} times: ${JSON.stringify(bytes)}`
    const [carried] = own
    if (carried === undefined || sent === undefined || field(sent, 'x-case') !== String(id)) return undefined
    accepted++
    return carried.method === sent.method &&
      `/echo${carried.target}` === sent.target &&
      carried.body === sent.body
      ? undefined
      : `forwarded differently: ${JSON.stringify(bytes)} as ${JSON.stringify(carried.bytes)}`
  }

  for (let id = 0; id < fuzz.cases; id += AT_A_TIME) {
    const faults = await Promise.all(Array.from({ length: AT_A_TIME }, (_, i) => run(id + i)))
    for (const fault of faults) if (fault !== undefined) t.fail(`FUZZ_SEED=${fuzz.seed}: ${fault}`)
  }
  t.same(service.faults, [], `the service got only valid requests, FUZZ_SEED=${fuzz.seed}`)
  t.ok(accepted > fuzz.cases / 10, `${accepted} compared`)
  t.equal(gateway.upstreams[0]?.state().breaker.state, 'closed', 'no failure of the service was counted')
  await until(async () => (await connectionsOf(gateway)) === 0, 'connections to close')
})

function caseOf(request: Received): string {
  return field(request, 'x-case') ?? ''
}

/** Returns a valid request. */
function request(fuzz: Fuzz, id: number): { method: string; bytes: string } {
  const { int, pick, chance, bytes } = fuzz
  const method = pick(['GET', 'HEAD', 'POST', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
  const path = Array.from({ length: int(4) }, () =>
    pick(['a', 'a%2Fb', '', 'x;y=1', '%C3%A9', 'a.b', '...', '~', '+'])
  ).join('/')
  const query = chance(0.3) ? `?${pick(['a=b', 'a?b', '%zz', '', '..%2f', 'x=/../y'])}` : ''
  const origin = chance(0.1) ? 'http://g.example' : ''
  const fields = [`Host: g.example`, `X-Case: ${id}`]
  for (let i = int(4); i > 0; i--)
    fields.push(
      pick([
        'Accept: */*',
        'cookie: a=b',
        'X-Empty:',
        `X-${int(9)}:\t v \t`,
        'TE: trailers',
        'Connection: keep-alive',
        'Connection: x-1, close',
        'X-Forwarded-For: 6.6.6.6',
        'Via: 1.0 x',
        'X-Latin: \xe9',
        'Content-Language: en'
      ])
    )
  let body = ''
  if (method !== 'GET' && method !== 'HEAD' && chance(0.7)) {
    const content = chance(0.9) ? bytes(int(60)) : bytes(30).repeat(1 + int(2_000))
    if (chance(0.5)) {
      fields.push(`Content-Length: ${content.length}`)
      body = content
    } else {
      fields.push('Transfer-Encoding: chunked')
      for (let at = 0; at < content.length; ) {
        const size = 1 + int(chance(0.5) ? 8 : content.length)
        const piece = content.slice(at, at + size)
        body += `${piece.length.toString(16)}\r\n${piece}\r\n`
        at += size
      }
      body += `0\r\n${chance(0.2) ? 'X-Trailer: 1\r\n' : ''}\r\n`
    }
  }
  fields.sort(() => int(3) - 1)
  return {
    method,
    bytes: `${method} ${origin}/echo/${path}${query} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n${body}`
  }
}

/** Parses a request strictly, in origin form. Returns undefined for malformed and incomplete requests. */
function parseStrictly(bytes: string) {
  try {
    const read = readRequest(bytes, 0)
    return read && { ...read, target: read.target.replace(/^http:\/\/[^/]*/i, '') }
  } catch {
    return undefined
  }
}

/**
 * Returns all responses so far.
 * @throws Malformed
 */
function responsesOf({ bytes, isClosed }: Client, method: string): ResponseMessage[] {
  const answers: ResponseMessage[] = []
  for (let at = 0; at < bytes.length; ) {
    const answer = readResponse(bytes, at, method, isClosed)
    if (answer === undefined) break
    answers.push(answer)
    at = answer.end
  }
  return answers
}
