import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { closeOf, dial, refused, start, startEcho } from './echo.ts'

/** How many connections of a WebSocket route a consumer may hold. */
const gate = (app: import('fastify').FastifyInstance) =>
  app.addHook('onRequest', async request => {
    const { authorization } = request.headers
    if (authorization !== undefined)
      request.user = { sub: authorization, tier: 'free', roles: [], permissions: [] } as never
  })

async function open(t: Test, url: string, who?: string): Promise<WebSocket> {
  const socket = dial(t, url, [], who === undefined ? {} : { headers: { authorization: who } })
  await once(socket, 'open')
  return socket
}

t.test('one consumer does not hold all places', async t => {
  const { url: service } = await startEcho(t)
  for (const [route, most] of [
    [{ maxConnections: 4 }, 2],
    [{ maxConnectionsPerConsumer: 1 }, 1]
  ] as const) {
    const { url } = await start(t, service, route, { hook: gate })
    const held: WebSocket[] = []
    for (let i = 0; i < most; i++) held.push(await open(t, url, 'ada'))
    t.match(await refused(dial(t, url, [], { headers: { authorization: 'ada' } })), {
      status: 429,
      headers: { 'retry-after': '1' },
      json: { type: 'urn:sluice:too-many-connections', status: 429 }
    })
    await open(t, url, 'bob')
    const closed = closeOf(held[0] as WebSocket)
    held[0]?.close()
    await closed
    for (;;) {
      const again = dial(t, url, [], { headers: { authorization: 'ada' } })
      const isOpen = await Promise.race([
        once(again, 'open').then(() => true),
        once(again, 'unexpected-response').then(() => false)
      ])
      again.terminate()
      if (isOpen) break
    }
    t.pass('a place is free once a connection has ended')
  }
})

t.test('without a token an address does not hold all places', async t => {
  const { url: service } = await startEcho(t)
  const { url } = await start(t, service, { maxConnections: 2 }, { hook: gate })
  await open(t, url)
  t.match(await refused(dial(t, url)), { status: 429 })
  await open(t, url, 'ada')
  t.match(
    await refused(dial(t, url, [], { headers: { authorization: 'bob' } })),
    { status: 503 },
    'all are taken'
  )
})
