import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import Fastify from 'fastify'
import { generateKeyPair, SignJWT } from 'jose'
import { bench, do_not_optimize, group, run } from 'mitata'
import { LruMap } from 'toad-cache'
import { Compile } from 'typebox/compile'
import { createLeasedLimiter } from '../limits/lease.ts'
import { createTier } from '../limits/limiter.ts'
import { createMemoryLimiter } from '../limits/memory-limiter.ts'
import type { Ended } from '../observe/exchange-record.ts'
import { createLogger } from '../observe/logger.ts'
import { RecordedResponse } from '../observe/recorder/response.ts'
import { Ring } from '../observe/recorder/ring.ts'
import { createMembers } from '../plugins/access-log.ts'
import exchanges from '../plugins/exchange.ts'
import { createBreaker, type Permit } from '../proxy/breaker.ts'
import { parseJson } from '../proxy/response-reader.ts'
import { toOrder } from '../routes/orders.v2.ts'
import { InternalOrder } from '../schemas/orders.ts'
import { createChoice } from '../versions/choice.ts'
import { createUsage } from '../versions/usage.ts'

/** The steps of a request by themselves: `npm run bench:micro`. */

group('rate limit, two limits', () => {
  const limits = [60_000, 3_600_000].map(window => ({
    limit: 1_000_000_000,
    window,
    algorithm: 'sliding-window' as const
  }))
  const tier = createTier('t', { limits, redisAway: 'local', counting: 'leased' })
  const memory = createMemoryLimiter(100_000)
  const leased = createLeasedLimiter(memory)
  let i = 0
  bench('in memory', () => memory.check(`consumer:${i++ % 1000}`, tier, 1, () => {}))
  bench('leased', () => leased.check(`consumer:${i++ % 1000}`, tier, 1, () => {}))
})

group('token', async () => {
  const { privateKey } = await generateKeyPair('RS256')
  const tokens = await Promise.all(
    Array.from({ length: 1_000 }, (_, i) =>
      new SignJWT({ sub: `u-${i}`, roles: ['customer'], tier: 'premium' })
        .setProtectedHeader({ alg: 'RS256' })
        .sign(privateKey)
    )
  )
  const cache = new LruMap<object>(10_000)
  for (const token of tokens) cache.set(token, {})
  const headers = tokens.map(token => Buffer.from(`Bearer ${token}`))
  let i = 0
  bench('looked up in the cache, from octets', () => {
    const header = (headers[i++ % 1_000] as Buffer).toString('latin1')
    do_not_optimize(cache.get(/^bearer +([\w-]+\.[\w-]+\.[\w-]*) *$/i.exec(header)?.[1] as string))
  })
})

group('breaker', () => {
  const breaker = createBreaker('b', { failures: 5, resetTimeout: 30_000, trials: 3 }, () => {})
  bench('admit and report', () => breaker.report(breaker.admit() as Permit, 'success'))
})

group('transform, an order of one item', () => {
  const text = Buffer.from(
    JSON.stringify({
      id: 'o-1',
      status: 'confirmed',
      items: [{ productId: 'p-1', productName: 'Sticker', quantity: 3, price: 0.1 }],
      total: 0.3,
      shippingAddress: { street: '1 Road', city: 'London', state: 'LDN', zip: 'N1', country: 'GB' },
      estimatedDelivery: '2026-12-01',
      createdAt: 1_795_531_247_000
    })
  )
  const order = parseJson(text) as InternalOrder
  const schema = Compile(InternalOrder)
  bench('parse', () => do_not_optimize(parseJson(text)))
  bench('validate', () => do_not_optimize(schema.Check(order)))
  bench('map, amounts exact', () => do_not_optimize(toOrder(order)))
})

group('version', () => {
  const read = createChoice({ header: 'accept-version', mediaType: 'version' }, ['v1', 'v2'])
  const request = {
    url: '/api/orders/1',
    headers: { accept: 'application/json;version=1', 'accept-version': '1' }
  } as unknown as IncomingMessage
  const silent = { url: '/api/v1/orders/1', headers: { accept: '*/*' } } as unknown as IncomingMessage
  bench('read, said twice', () => do_not_optimize(read?.(request)))
  bench('read, not said', () => do_not_optimize(read?.(silent)))
  const usage = createUsage()
  let i = 0
  bench('count a consumer', () => usage.count(`user-${i++ % 500}`, i))
})

const ended = await endedOf('x'.repeat(500))
group('an exchange that has ended', () => {
  const addMembers = createMembers()
  const logger = createLogger('info', '/dev/null')
  bench('its line, to a destination', () => logger?.line?.(ended, addMembers))
  const ring = new Ring(1_000, 16_777_216, 4_096)
  let i = 0
  bench('recorded: a token of 700 octets, 500 of an answer', () => ring.add(++i, ended))
})

/** One that a client has really had. */
async function endedOf(answer: string): Promise<Ended> {
  const app = Fastify({ http: { ServerResponse: RecordedResponse as never } })
  await app.register(exchanges, { deadline: 10_000 })
  const ended = new Promise<Ended>(resolve => app.onExchangeEnd(exchange => resolve(exchange.ended)))
  app.get('/', () => answer)
  const headers = { authorization: `Bearer ${'a'.repeat(700)}` }
  await (await fetch(await app.listen({ port: 0, host: '127.0.0.1' }), { headers })).text()
  await ended
  const closed = once(app.server, 'close')
  app.server.closeAllConnections()
  app.server.close()
  await closed
  return ended
}

await run()
