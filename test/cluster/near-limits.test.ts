import t from 'tap'
import { call } from '../harness.ts'
import { until } from '../until.ts'
import { configOf, startServer } from './rig.ts'
import { startCluster } from './workers.ts'

const TIERS = `
  trustProxy: ['127.0.0.1'],
  tiers: {
    low: { limits: [{ limit: 10, window: 600_000 }, { limit: 1_000, window: 3_600_000 }] },
    high: { limits: [{ limit: 100_000, window: 600_000 }] }
  },`
const scope = (tier: string) => `
  ${tier}: { prefix: '/${tier}', rateLimit: { address: '${tier}' }, routes: async app => { app.get('/', async () => 'ok') } },`

t.test('/limits shows who is near or over a limit, and how many requests leases decide', async t => {
  const config = configOf(1, TIERS).replace('scopes: {', `scopes: {${scope('low')}${scope('high')}`)
  const { admin, url } = await startServer(t, { config, workers: 2 })
  const ask = async (tier: string, address: string, times: number) => {
    for (let i = 0; i < times; i++)
      await call(`${url}/${tier}`, { headers: { 'x-forwarded-for': address, connection: 'close' } })
  }
  t.match((await call(`${admin}/limits`)).json, {
    store: 'supervisor',
    near: [],
    leases: { requests: 0, share: null }
  })
  await ask('low', '192.0.2.1', 12)
  await ask('low', '192.0.2.2', 8)
  await ask('low', '192.0.2.3', 7)
  await ask('low', '2001:db8::1', 9)
  await ask('high', '192.0.2.1', 50)
  await until(async () => (await call(`${admin}/limits`)).json.near.length === 3)
  const { near, leases } = (await call(`${admin}/limits`)).json
  t.match(near, [
    { tier: 'low', by: 'address', key: '192.0.2.1', used: 10, limit: 10, windowMs: 600_000, isOver: true },
    { key: '2001:db8::', used: 9, isOver: false },
    { key: '192.0.2.2', used: 8, isOver: false }
  ])
  for (const { resetsAt } of near) t.ok(Date.parse(resetsAt) > Date.now())
  t.equal(leases.requests, 86)
  t.ok(leases.fromLease > 0 && leases.storeCalls > 0)
  t.equal(leases.share, Math.round((leases.fromLease / 86) * 10_000) / 10_000)
})

t.test('who is near a limit is private, as are consumers', async t => {
  const { build, admin, workers } = await startCluster(t, 1, (_request, response) => void response.end(), {
    tiers: { free: { limits: [{ limit: 1, window: 60_000 }] } },
    scopes: {
      limited: {
        prefix: '/limited',
        rateLimit: { address: 'free' },
        routes: async app => {
          app.get('/', async () => 'ok')
        }
      }
    }
  })
  await call(`${workers[0]?.url}/limited`)
  t.match((await call(`${admin}/limits`)).json.near, [{ key: '127.0.0.1' }])
  const open = await build({ host: '0.0.0.0' })
  const shown = (await open.inject('/limits')).json()
  t.match(shown, { tiers: [{ name: 'free' }], near: undefined })
})
