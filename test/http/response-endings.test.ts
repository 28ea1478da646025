import { connect as connectTcp, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import Type from 'typebox'
import compose from '../../plugins/compose.ts'
import forward from '../../plugins/forward.ts'
import transform from '../../plugins/transform.ts'
import { type Ending, startGateway, startTcpService } from '../harness.ts'
import { read, startSession, tls } from '../http2.ts'
import { until } from '../until.ts'
import { Client } from './raw-sockets.ts'

/**
 * All endings of responses from HTTP/1.1 and HTTP/1.0 services, on all kinds of routes and for all kinds of clients. A
 * response is complete only as its protocol defines it (RFC 9112, 8). Otherwise the client gets a 502, or an aborted
 * response that it can recognize.
 */
interface Case {
  what: string
  /** Bytes that the service writes; `|` separates pieces. */
  bytes: string
  /** State of the service's connection afterwards. */
  end: 'open' | 'closed' | 'reset'
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
const OLD = 'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n'
const CHUNKED = 'Transfer-Encoding: chunked\r\n\r\n'
const BODY = '{"a":1}'
const LENGTH = `Content-Length: 7\r\n\r\n${BODY}`
const CHUNKS = `${CHUNKED}7\r\n${BODY}\r\n`
const MUCH = 'x'.repeat(100_000)

const WHOLE: Case[] = [
  { what: 'a length', bytes: `${OK}${LENGTH}`, end: 'open' },
  { what: 'a length, then the end', bytes: `${OK}${LENGTH}`, end: 'closed' },
  { what: 'a length, then a reset', bytes: `${OK}${LENGTH}`, end: 'reset' },
  { what: 'a length, in HTTP/1.0', bytes: `${OLD}${LENGTH}`, end: 'closed' },
  { what: 'bytes behind the length', bytes: `${OK}${LENGTH}EVIL`, end: 'open' },
  { what: 'chunks', bytes: `${OK}${CHUNKS}0\r\n\r\n`, end: 'open' },
  { what: 'chunks, then a reset', bytes: `${OK}${CHUNKS}0\r\n\r\n`, end: 'reset' },
  { what: 'chunks with trailers', bytes: `${OK}${CHUNKS}0\r\nX: y\r\n\r\n`, end: 'open' },
  {
    what: 'space behind the coding',
    bytes: `${OK}${CHUNKS}0\r\n\r\n`.replace('chunked', 'chunked '),
    end: 'open'
  },
  { what: 'the end of the connection', bytes: `${OK}\r\n${BODY}`, end: 'closed' },
  {
    what: 'the end of the connection, announced',
    bytes: `${OK}Connection: close\r\n\r\n${BODY}`,
    end: 'closed'
  },
  { what: 'the end of the connection, in HTTP/1.0', bytes: `${OLD}\r\n${BODY}`, end: 'closed' },
  { what: 'the end of the connection, later', bytes: `${OK}\r\n|${BODY}`, end: 'closed' },
  { what: '100 unasked', bytes: `HTTP/1.1 100 Continue\r\n\r\n${OK}${LENGTH}`, end: 'open' },
  { what: '100 by itself', bytes: `HTTP/1.1 100 Continue\r\n\r\n|${OK}${LENGTH}`, end: 'open' },
  { what: '100 in two pieces', bytes: `HTTP/1.1 1|00 Continue\r\nX: y\r\n\r|\n${OK}${LENGTH}`, end: 'open' },
  {
    what: 'several interim responses',
    bytes: `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}${LENGTH}`,
    end: 'open'
  },
  {
    what: 'a status line in pieces',
    bytes: `H|TTP/1.|1 2|00 OK\r\n|${OK.slice(17)}|${LENGTH}`,
    end: 'open'
  },
  { what: 'HTTP/1.0 in pieces', bytes: `HTTP/1.0 200| OK\r\n${OLD.slice(17)}|\r|\n${BODY}`, end: 'closed' },
  { what: 'an empty line before it', bytes: `\r\n${OK}${LENGTH}`, end: 'open' }
]

/** These break before anything was passed on. */
const REFUSED: Case[] = [
  { what: 'a reset at once', bytes: '', end: 'reset' },
  { what: 'the end at once', bytes: '', end: 'closed' },
  { what: 'a reset in the headers', bytes: `${OK}Content-L`, end: 'reset' },
  { what: 'the end in the headers', bytes: `${OK}Content-L`, end: 'closed' },
  { what: 'the end in an interim response', bytes: 'HTTP/1.1 103 Early Hints\r\nLink: </a>', end: 'closed' },
  {
    what: 'a reset after an interim response',
    bytes: 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
    end: 'reset'
  },
  { what: 'only 100', bytes: 'HTTP/1.1 100 Continue\r\n\r\n', end: 'closed' },
  {
    what: '17 times 100',
    bytes: `${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(17)}${OK}${LENGTH}`,
    end: 'open'
  },
  {
    what: '101 unasked',
    bytes: 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
    end: 'open'
  },
  ...[
    'HTTP/2.0',
    'HTTP/0.9',
    'HTTP/1.2',
    'HTTP/3.0',
    'RTSP/1.0',
    'ICE/1.0',
    'http/1.1',
    'HTTP/1',
    'HTTP'
  ].map((version): Case => ({ what: version, bytes: `${version} 200 OK\r\n${LENGTH}`, end: 'open' })),
  { what: 'chunks in HTTP/1.0', bytes: `${OLD}${CHUNKS}0\r\n\r\n`, end: 'open' },
  {
    what: 'chunks in HTTP/1.0, in pieces',
    bytes: `${OLD}Transfer-En|coding : chunked\r|\n\r\n0\r\n\r\n`,
    end: 'open'
  },
  { what: 'CR between headers', bytes: `${OK}X: y\r\n\rZ: a\r\n${LENGTH}`, end: 'open' },
  { what: 'CR in a header', bytes: `${OK}X: y\rZ: a\r\n${LENGTH}`, end: 'open' },
  { what: 'CR before the headers', bytes: `${OK}\rX: y\r\n${LENGTH}`, end: 'open' },
  { what: 'CR before the body', bytes: `${OK}X: y\r\n\r${BODY}`, end: 'open' },
  { what: 'CR in the status line', bytes: `HTTP/1.1 200 O\rK\r\n${LENGTH}`, end: 'open' },
  {
    what: 'a short length that is not reached',
    bytes: `${OK}Content-Length: 8\r\n\r\n${BODY}`,
    end: 'closed'
  },
  { what: 'the same by a reset', bytes: `${OK}Content-Length: 8\r\n\r\n${BODY}`, end: 'reset' }
]

/** These break after the headers were passed on. Routes that buffer responses answer 502. */
const CUT: Case[] = [
  { what: 'a reset instead of the end of the connection', bytes: `${OK}\r\n${BODY}`, end: 'reset' },
  { what: 'the same, announced', bytes: `${OK}Connection: close\r\n\r\n${BODY}`, end: 'reset' },
  { what: 'the same, in HTTP/1.0', bytes: `${OLD}\r\n${BODY}`, end: 'reset' },
  { what: 'the same, without a body', bytes: `${OLD}\r\n`, end: 'reset' },
  {
    what: 'a length that is not reached',
    bytes: `${OK}Content-Length: 100000\r\n\r\n${BODY}`,
    end: 'closed'
  },
  { what: 'the same by a reset', bytes: `${OK}Content-Length: 100000\r\n\r\n${BODY}`, end: 'reset' },
  { what: 'a length of HTTP/1.0', bytes: `${OLD}Content-Length: 100000\r\n\r\n${BODY}`, end: 'closed' },
  { what: 'no last chunk', bytes: `${OK}${CHUNKS}`, end: 'closed' },
  { what: 'no last chunk, by a reset', bytes: `${OK}${CHUNKS}`, end: 'reset' },
  { what: 'no last chunk, announced', bytes: `${OK}Connection: close\r\n${CHUNKS}`, end: 'closed' },
  { what: 'a chunk that is cut', bytes: `${OK}${CHUNKED}9\r\n${BODY}`, end: 'closed' },
  { what: 'the trailers that are cut', bytes: `${OK}${CHUNKS}|0\r\nX: y\r\n`, end: 'closed' },
  { what: 'an invalid chunk size', bytes: `${OK}${CHUNKS}|zz\r\n`, end: 'open' },
  { what: 'much, then a reset', bytes: `${OK}\r\n${MUCH}`, end: 'reset' }
]

const ROUTES = ['forward', 'mirror', 'transform', 'compose']

interface Outcome {
  status: number
  body: string
  isWhole: boolean
}

/** A client of one kind. Calls `seen` when it has a status. */
type Ask = (url: string, path: string, seen: () => void) => Promise<Outcome>

const ask10: Ask = async (url, path, seen) => {
  const socket = connectTcp(Number(new URL(url).port), '127.0.0.1')
  let bytes = ''
  let isReset = false
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    bytes += text
    seen()
  })
  socket.on('error', () => {
    isReset = true
  })
  socket.write(`GET ${path} HTTP/1.0\r\nHost: g\r\n\r\n`)
  await new Promise(resolve => socket.on('close', resolve))
  const [head = '', body = ''] = bytes.split('\r\n\r\n')
  const length = /content-length: (\d+)/i.exec(head)?.[1]
  return {
    status: Number(head.slice(9, 12)),
    body,
    isWhole: !isReset && head !== '' && (length === undefined || body.length === Number(length))
  }
}

const ask11: Ask = async (url, path, seen) => {
  const client = new Client(url).write(
    `GET ${path} HTTP/1.1\r\nHost: g\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n`,
    'GET'
  )
  client.socket.on('data', seen)
  try {
    for (;;) {
      const { status, body } = await client.response()
      if (status >= 200) return { status, body, isWhole: true }
    }
  } catch {
    return { status: Number(/HTTP\/1.1 ([2-5]\d\d)/.exec(client.bytes)?.[1]), body: '', isWhole: false }
  } finally {
    client.end()
  }
}

/** HTTP/2 clients that share one connection. */
async function createAsk2(t: Ending, url: string): Promise<Ask> {
  const session = await startSession(t, url)
  return async (_url, path, seen) => {
    const stream = session.request({ ':path': path })
    stream.on('response', seen)
    const { status, body, code } = await read(stream)
    return { status, body: body.toString('latin1'), isWhole: code === 0 }
  }
}

/** Starts a gateway with one route of each kind, in front of a service that responds as the case says. */
async function start(t: Ending, listen: object) {
  let next: Case | undefined
  let mirrored = 0
  let hasSeen = () => true
  let answered: Promise<void> | undefined
  const service = await startTcpService(t, socket => {
    const one = next
    // Only the first request belongs to the case; retries and other connections do not.
    next = undefined
    if (one !== undefined) answered = answer(socket, one, hasSeen)
  })
  const copy = await startTcpService(t, socket => {
    mirrored++
    socket.end(`${OLD}\r\n${BODY}`)
  })
  const options = { url: service, breaker: { failures: 1_000_000 }, retry: { attempts: 0 } }
  const { url, gateway } = await startGateway(t, {
    listen,
    upstreams: {
      plain: options,
      mirrored: { ...options, mirror: { to: 'copy' } },
      copy: { url: copy }
    },
    scopes: { all: { prefix: '/all', routes } }
  })
  return {
    url,
    gateway,
    mirrored: () => mirrored,
    answered: () => answered,
    /** `isSeen`: awaited before the service ends the connection. */
    next(one: Case, isSeen: () => boolean) {
      next = one
      hasSeen = isSeen
    }
  }
}

async function answer(socket: Socket, { bytes, end }: Case, isSeen: () => boolean): Promise<void> {
  for (const piece of bytes.split('|')) {
    await new Promise(resolve => socket.write(piece, 'latin1', resolve))
    // Makes separate TCP segments likely; no assertion depends on it.
    await delay(1)
  }
  await until(isSeen)
  if (end === 'closed') socket.end()
  if (end === 'reset') socket.resetAndDestroy()
}

async function routes(app: FastifyInstance) {
  await app.register(forward)
  await app.register(transform)
  await app.register(compose)
  const answer = Type.Object({ a: Type.Number() })
  app.forward({ method: 'GET', url: '/forward', upstream: 'plain', prefix: '' })
  app.forward({ method: 'GET', url: '/mirror', upstream: 'mirrored', prefix: '' })
  app.transform({
    method: 'GET',
    url: '/transform',
    upstream: 'plain',
    upstreamResponse: answer,
    response: answer,
    toUpstream: () => ({ method: 'GET', path: '/' }),
    toClient: value => value
  })
  app.compose({
    url: '/compose',
    response: answer,
    parts: {
      part: { upstream: 'plain', required: true, upstreamResponse: answer, path: () => '/' }
    },
    toClient: ({ part }) => part
  })
}

for (const [over, listen, createAsk] of [
  ['HTTP/1.0', {}, async () => ask10],
  ['HTTP/1.1', {}, async () => ask11],
  ['HTTP/2', { tls, http2: true }, createAsk2]
] as [string, object, typeof createAsk2][])
  t.test(`for clients of ${over}`, async t => {
    const { url, gateway, next, answered, mirrored } = await start(t, listen)
    const ask = await createAsk(t, url)
    const failures = () => gateway.upstreams.map(upstream => upstream.state().breaker.failures)

    /** `waits`: the service ends only after the client has a status. */
    async function run(one: Case, route: string, waits: boolean): Promise<Outcome> {
      let isSeen = !waits
      next(one, () => isSeen)
      const outcome = await ask(url, `/all/${route}`, () => {
        isSeen = true
      })
      await answered()
      return outcome
    }

    await t.test('a response that ends as framed is complete', async t => {
      for (const route of ROUTES)
        for (const one of WHOLE) {
          const outcome = await run(one, route, one.end === 'reset')
          t.match(outcome, { status: 200, body: BODY, isWhole: true }, `${route}: ${one.what}`)
        }
    })

    await t.test('a response that breaks before its headers is a 502', async t => {
      for (const route of ROUTES)
        for (const one of REFUSED) {
          const { status, body, isWhole } = await run(one, route, false)
          t.match({ status, isWhole }, { status: 502, isWhole: true }, `${route}: ${one.what}`)
          t.match(body, '"urn:sluice:upstream-')
        }
    })

    await t.test('a response that breaks later is aborted, or a 502 on routes that buffer', async t => {
      for (const route of ROUTES)
        for (const one of CUT) {
          const isCollected = route === 'transform' || route === 'compose'
          const before = failures()
          const { status, isWhole } = await run(one, route, !isCollected)
          const expected = isCollected ? { status: 502, isWhole: true } : { status: 200, isWhole: false }
          t.match({ status, isWhole }, expected, `${route}: ${one.what}`)
          t.not(String(failures()), String(before), 'counts as a failure of the service')
        }
    })
    t.ok(mirrored() > 0, 'calls are mirrored')
  })
