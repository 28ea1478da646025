import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import t from 'tap'
import { resolveConfig } from '../../config/resolve-config.ts'
import { buildGateway } from '../../gateway.ts'
import forward from '../../plugins/forward.ts'
import { call, type Ending, startService } from '../harness.ts'
import { startSession, tls } from '../http2.ts'
import { until } from '../until.ts'

/** Starts a gateway with a short deadline, in front of a service that records requests. */
async function start(
  t: Ending,
  {
    answer,
    idleTimeout,
    ...options
  }: {
    answer?: (request: IncomingMessage, response: ServerResponse) => void
    idleTimeout?: number
    listen?: object
    drain?: { timeout: number }
  } = {}
) {
  const calls: { request: IncomingMessage; response: ServerResponse; closed: boolean }[] = []
  const service = await startService(t, (request, response) => {
    const call = { request, response, closed: false }
    calls.push(call)
    response.on('close', () => {
      call.closed = true
    })
    request.on('error', () => {})
    answer?.(request, response)
  })
  const gateway = await buildGateway(
    resolveConfig(
      {
        default: {
          log: { level: 'silent' },
          deadline: 200,
          upstreams: { products: { url: service } },
          scopes: {
            events: {
              prefix: '/events',
              routes: async (app: import('fastify').FastifyInstance) => {
                await app.register(forward)
                const config = { deadline: 0, ...(idleTimeout && { idleTimeout }) }
                app.forward({ method: ['GET', 'POST'], url: '/', upstream: 'products', prefix: '', config })
              }
            }
          },
          ...options
        }
      },
      {}
    )
  )
  t.teardown(() => gateway.close())
  return { gateway, calls, url: await gateway.listen({ port: 0, host: '127.0.0.1' }) }
}

function events(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
}

for (const isHttp2 of [false, true]) {
  const over = isHttp2 ? 'over HTTP/2' : 'over HTTP/1.1'
  const listen = isHttp2 ? { tls, http2: true } : {}

  /** An event stream whose headers have arrived. */
  async function open(t: Ending, url: string) {
    if (isHttp2) {
      const stream = (await startSession(t, url)).request({ ':path': '/events/' })
      stream.on('error', () => {})
      await once(stream, 'response')
      return { stream, leave: () => stream.destroy(new Error('gone')) }
    }
    const request = httpRequest(`${url}/events/`).end()
    request.on('error', () => {})
    const [stream] = (await once(request, 'response')) as [IncomingMessage]
    stream.on('error', () => {})
    return { stream, leave: () => request.destroy() }
  }

  t.test(`events arrive at once, long after the gateway's deadline (${over})`, async t => {
    const { url, calls } = await start(t, { answer: events, listen })
    // The service has sent only its headers.
    const { stream, leave } = await open(t, url)
    const service = calls[0] as (typeof calls)[0]
    for (let i = 0; i < 4; i++) {
      await new Promise(resolve => setTimeout(resolve, 100))
      service.response.write(`data: ${i}\n\n`)
      t.equal(String((await once(stream, 'data'))[0]), `data: ${i}\n\n`)
    }
    leave()
    await until(() => service.closed)
    t.pass('a disconnect ends it')
  })

  t.test(`an idle stream is ended (${over})`, async t => {
    const { url, calls, gateway } = await start(t, { answer: events, listen, idleTimeout: 300 })
    const ends: unknown[] = []
    gateway.onExchangeEnd(({ isComplete, abortReason }) =>
      ends.push([isComplete, (abortReason as { code?: string })?.code])
    )
    const { stream } = await open(t, url)
    stream.resume()
    await new Promise(resolve => stream.on('close', resolve))
    await until(() => ends.length === 1 && calls[0]?.closed === true)
    t.same(ends, [[false, 'SLUICE_IDLE_TIMEOUT']])
  })

  t.test(`streams end before the drain timeout (${over})`, async t => {
    const { url, calls, gateway } = await start(t, { answer: events, listen, drain: { timeout: 1_000 } })
    const { stream } = await open(t, url)
    stream.resume()
    const ended = new Promise(resolve => stream.on('close', resolve))
    await Promise.all([gateway.close(), ended])
    await until(() => calls[0]?.closed === true)
    t.pass('the gateway stops')
  })

  t.test(`a slow service pauses an upload (${over})`, async t => {
    const { url, calls } = await start(t, { listen, drain: { timeout: 500 } })
    const chunk = Buffer.alloc(65_536)
    const upload = isHttp2
      ? (await startSession(t, url)).request({ ':path': '/events/', ':method': 'POST' })
      : httpRequest(`${url}/events/`, { method: 'POST' })
    upload.on('error', () => {})
    let sent = 0
    const fill = () => {
      let hasRoom = true
      while (hasRoom && sent < 256 * 1_048_576) {
        hasRoom = upload.write(chunk)
        sent += chunk.length
      }
    }
    upload.on('drain', fill)
    fill()
    await until(() => calls.length === 1)
    let before = -1
    while (before !== sent) {
      before = sent
      await new Promise(resolve => setTimeout(resolve, 300))
    }
    t.ok(sent < 32 * 1_048_576, `${sent} bytes were taken from the client`)
    upload.destroy()
  })
}

t.test('a service that never responds is aborted', async t => {
  const { url } = await start(t, { idleTimeout: 200 })
  const { status, json } = await call(`${url}/events/`)
  t.equal(status, 504)
  t.equal(json.type, 'urn:sluice:idle-timeout')
})

t.test('a slow reader pauses the service, and is disconnected', async t => {
  let sent = 0
  const chunk = Buffer.alloc(65_536)
  const { url, calls } = await start(t, {
    idleTimeout: 1_000,
    answer(_request, response) {
      const fill = () => {
        let hasRoom = true
        while (hasRoom && sent < 256 * 1_048_576) {
          hasRoom = response.write(chunk)
          sent += chunk.length
        }
      }
      response.on('drain', fill)
      fill()
    }
  })
  const request = httpRequest(`${url}/events/`).end()
  request.on('error', () => {})
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.on('error', () => {})
  await until(() => calls[0]?.closed === true)
  t.ok(sent < 32 * 1_048_576, `${sent} bytes were taken from the service`)
})
