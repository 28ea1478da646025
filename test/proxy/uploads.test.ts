import t from 'tap'
import type { UpstreamOptions } from '../../schemas/options/upstreams.ts'
import { call, closedPort, startGateway, startService } from '../harness.ts'
import { Client, connectionsOf } from '../http/raw-sockets.ts'
import { until } from '../until.ts'
import { forwarding } from './service.ts'

const POST = 'POST /orders/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{'
const CHUNKED = 'PUT /orders/1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n'
const PUT = POST.replace('POST', 'PUT')

type Options = Partial<UpstreamOptions>
/** States of an upload when its client disconnects and nothing reads the body. */
const situations: Record<string, (hanging: string, down: string) => Options> = {
  'its service is down': (_hanging, url) => ({ url }),
  'its service is down, and is asked again': (_hanging, url) => ({
    url,
    retry: { attempts: 10, on: ['connect'], backoff: { base: 200, max: 200 } } as never
  }),
  'the breaker is open': (_hanging, url) => ({ url, breaker: { failures: 1 } as never }),
  'it waits for a place': url => ({ url, concurrency: { max: 1 } as never }),
  'it waits for a place, and is mirrored': url => ({
    url,
    concurrency: { max: 1 } as never,
    mirror: { to: 'next' } as never
  })
}

for (const [situation, optionsOf] of Object.entries(situations))
  t.test(`a client may disconnect during an upload while ${situation}`, async t => {
    const hanging = await startService(t, request => void request.resume())
    const { url, gateway } = await startGateway(t, {
      upstreams: {
        orders: optionsOf(hanging, await closedPort()) as never,
        next: { url: await closedPort() }
      },
      scopes: { orders: { prefix: '/orders', routes: forwarding } }
    })
    // Opens the breaker, which opens on the first failure.
    if (situation.includes('open')) {
      const opener = new Client(url).write('GET /orders/1 HTTP/1.1\r\nHost: localhost\r\n\r\n', 'GET')
      t.match(await opener.response(), { status: 502 })
      opener.end()
    }
    for (const bytes of [POST, PUT, CHUNKED]) {
      const holder = new Client(url).write(POST)
      const isDown = situation.includes('down') || situation.includes('open')
      if (!isDown) await until(() => gateway.upstream('orders').state().calls.running === 1)
      const client = new Client(url).write(bytes, 'PUT')
      if (!isDown) await until(() => gateway.upstream('orders').state().calls.queued === 1)
      else if (situation.endsWith('again'))
        await until(() => gateway.upstream('orders').state().calls.retries > 0)
      else t.match(await client.response(), { status: situation.includes('open') ? 503 : 502 })
      client.end()
      holder.end()
      await until(async () => (await connectionsOf(gateway)) === 0)
    }
    t.match(gateway.upstream('orders').state().calls, { running: 0, queued: 0 })
    t.equal((await call(`${url}/nowhere`)).status, 404, 'the gateway still works')
  })

t.test('an upload that exceeds the limit in the queue gets 413, and is no failure', async t => {
  const service = await startService(t, request => void request.resume())
  const { url, gateway } = await startGateway(t, {
    bodyLimit: 100,
    upstreams: { orders: { url: service, concurrency: { max: 1 }, breaker: { failures: 1 } } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  const state = () => gateway.upstream('orders').state()
  const holder = new Client(url).write('GET /orders/1 HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until(() => state().calls.running === 1)
  const client = new Client(url).write(CHUNKED, 'PUT')
  await until(() => state().calls.queued === 1)
  client.write(`c8\r\n${'x'.repeat(200)}\r\n0\r\n\r\n`)
  holder.end()
  t.match(await client.response(), { status: 413 })
  t.match(state().breaker, { state: 'closed', failures: 0 })
  client.end()
})
