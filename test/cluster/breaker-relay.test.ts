import t from 'tap'
import { call, startService } from '../harness.ts'
import { until } from '../until.ts'
import { ask, type RawClient } from './client.ts'
import { configOf, startServer } from './rig.ts'

const ROUTES = `
const forward = (await import('../plugins/forward.ts')).default
await app.register(forward)
app.forward({ method: 'GET', url: '/things', upstream: 'things', prefix: '' })
`
const statusesOf = (client: RawClient) =>
  [...client.text().matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))

/** The answer's status to one request more. */
async function status(client: RawClient, path = '/api/things'): Promise<number | undefined> {
  const { length } = statusesOf(client)
  client.ask(path)
  await until(() => statusesOf(client).length > length)
  return statusesOf(client).at(-1)
}

for (const shared of [true, false])
  t.test(`breakers of two workers ${shared ? 'count' : 'do not count'} together`, async t => {
    let isWell = false
    let calls = 0
    const service = await startService(t, (_request, response) => {
      calls++
      response.writeHead(isWell ? 200 : 500).end()
    })
    const config = (resetTimeout: number) => {
      const breaker = JSON.stringify({ failures: 3, halfOpenRequests: 1, resetTimeout, shared })
      const upstreams = `upstreams: { things: { url: '${service}', breaker: ${breaker} } },`
      return configOf(1, `drain: { timeout: 1_000, idle: 200 }, ${upstreams}`, ROUTES)
    }
    const { url, admin, output, reload, write } = await startServer(t, { config: config(600_000) })
    /** Open connections to both workers. */
    const connect = async () => {
      const clients = [ask(t, url, '/api/edition'), ask(t, url, '/api/edition')] as const
      await until(() => clients.every(client => statusesOf(client).length === 1))
      const pids = clients.map(client => /"pid":(\d+)/.exec(client.text())?.[1])
      t.not(pids[0], pids[1])
      return clients
    }
    const isOpenInBoth = async () => {
      const [{ breaker }] = (await call(`${admin}/upstreams`)).json
      return breaker.state === 'open' && breaker.workers === undefined
    }

    const [one, other] = await connect()
    for (const client of [one, other, one]) t.equal(await status(client), 500)
    if (!shared) {
      t.equal(await status(other), 500)
      t.equal(await status(one), 500)
      t.equal(await status(one), 503)
      t.equal(await status(other), 500)
      t.equal(calls, 6)
      return
    }
    await until(isOpenInBoth)
    for (const client of [one, other]) t.equal(await status(client), 503)

    t.match(await reload(), { outcome: 'done' })
    for (const client of await connect()) t.equal(await status(client), 503, 'open stays open')
    t.equal(calls, 3, 'nothing has reached the service since')

    isWell = true
    // Workers whose wall clock was set back: on it the breaker opened in an hour.
    write(`const { now } = Date\nDate.now = () => now() - 3_600_000\n${config(1)}`)
    t.match(await reload(), { outcome: 'done' })
    const [tried, following] = await connect()
    await until(async () => (await status(tried)) === 200)
    await until(() => output().includes('"breaker":"closed","isFollowing":true'))
    t.equal(await status(following), 200)
  })
