import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { startEcho } from './echo.ts'
import { createFuzz, type Fuzz, mutate, split } from './fuzz.ts'
import { field, type ResponseMessage, readRequest, readResponse } from './message.ts'
import { Client, connectionsOf, type Received, startRecorder, until } from './wire.ts'

/**
 * Requests by a grammar, most of them spoiled. Every answer is well-formed, and whatever was carried out the service
 * has parsed as the one request that a strict reader makes of the same octets: same method, target and body.
 */
const CASES = 600
const AT_A_TIME = 200

t.test('whatever is sent, gateway and service agree on what it is', async t => {
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
    const octets = isGood ? good.octets : mutate(good.octets, fuzz)
    const client = new Client(url)
    for (const piece of split(octets, fuzz)) {
      client.write(piece)
      await turn()
    }
    let answers: ResponseMessage[] = []
    try {
      await until(() => {
        answers = answersOf(client, good.method)
        return client.isClosed || answers.some(answer => answer.status >= 200)
      }, 'an answer')
      client.end()
    } catch (error) {
      return `${(error as Error).message}\nsent ${JSON.stringify(octets)}\ngot ${JSON.stringify(client.octets)}`
    }
    const own = service.received.filter(received => caseOf(received) === String(id))
    const sent = strictly(octets)
    if (isGood && own.length !== 1) return `carried out ${own.length} times: ${JSON.stringify(octets)}`
    const [carried] = own
    if (carried === undefined || sent === undefined || field(sent, 'x-case') !== String(id)) return undefined
    accepted++
    return carried.method === sent.method &&
      `/echo${carried.target}` === sent.target &&
      carried.body === sent.body
      ? undefined
      : `sent as another: ${JSON.stringify(octets)} as ${JSON.stringify(carried.octets)}`
  }

  for (let id = 0; id < fuzz.cases; id += AT_A_TIME) {
    const faults = await Promise.all(Array.from({ length: AT_A_TIME }, (_, i) => run(id + i)))
    for (const fault of faults) if (fault !== undefined) t.fail(`FUZZ_SEED=${fuzz.seed}: ${fault}`)
  }
  t.same(service.faults, [], `whatever reached the service was a request, FUZZ_SEED=${fuzz.seed}`)
  t.ok(accepted > fuzz.cases / 10, `${accepted} compared`)
  t.equal(gateway.upstreams[0]?.state().breaker.state, 'closed', 'the service was never to blame')
  await until(async () => (await connectionsOf(gateway)) === 0, 'the end of every connection')
})

function caseOf(request: Received): string {
  return field(request, 'x-case') ?? ''
}

/** A good request. */
function request(fuzz: Fuzz, id: number): { method: string; octets: string } {
  const { int, pick, chance, octets } = fuzz
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
    const content = chance(0.9) ? octets(int(60)) : octets(30).repeat(1 + int(2_000))
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
    octets: `${method} ${origin}/echo/${path}${query} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n${body}`
  }
}

/** What the strict reader makes of it, in origin form; undefined if it is nothing, or not all there. */
function strictly(octets: string) {
  try {
    const read = readRequest(octets, 0)
    return read && { ...read, target: read.target.replace(/^http:\/\/[^/]*/i, '') }
  } catch {
    return undefined
  }
}

/** All answers so far. @throws Malformed */
function answersOf({ octets, isClosed }: Client, method: string): ResponseMessage[] {
  const answers: ResponseMessage[] = []
  for (let at = 0; at < octets.length; ) {
    const answer = readResponse(octets, at, method, isClosed)
    if (answer === undefined) break
    answers.push(answer)
    at = answer.end
  }
  return answers
}
