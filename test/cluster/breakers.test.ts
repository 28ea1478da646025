import t from 'tap'
import { startService } from '../harness.ts'
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
  t.test(`a breaker that opens in one worker ${shared ? 'opens' : 'does not open'} in another`, async t => {
    let isWell = false
    let calls = 0
    const service = await startService(t, (_request, response) => {
      calls++
      response.writeHead(isWell ? 200 : 500).end()
    })
    const config = (resetTimeout: number) => {
      const breaker = JSON.stringify({ failures: 3, trials: 1, resetTimeout, shared })
      const upstreams = `upstreams: { things: { url: '${service}', breaker: ${breaker} } },`
      return configOf(1, `drain: { timeout: 1_000, idle: 200 }, ${upstreams}`, ROUTES)
    }
    const { url, output, reload, write } = await startServer(t, { config: config(600_000) })
    /** Open connections to both workers. */
    const connect = async () => {
      const clients = [ask(t, url, '/api/edition'), ask(t, url, '/api/edition')] as const
      await until(() => clients.every(client => statusesOf(client).length === 1))
      const pids = clients.map(client => /"pid":(\d+)/.exec(client.text())?.[1])
      t.not(pids[0], pids[1])
      return clients
    }
    const changes = (state: string) => output().split(`"breaker":"${state}","isFollowing":true`).length - 1

    const [one, other] = await connect()
    for (let i = 0; i < 3; i++) t.equal(await status(one), 500)
    t.equal(await status(one), 503)
    if (!shared) {
      for (let i = 0; i < 3; i++) t.equal(await status(other), 500)
      t.equal(calls, 6)
      return
    }
    await until(() => changes('open') === 1)
    t.equal(await status(other), 503)

    t.match(await reload(), { outcome: 'done' })
    for (const fresh of await connect()) t.equal(await status(fresh), 503, 'open stays open')
    t.equal(calls, 3, 'nothing has reached the service since')

    isWell = true
    write(config(1))
    t.match(await reload(), { outcome: 'done' })
    const [tried, following] = await connect()
    await until(async () => (await status(tried)) === 200)
    await until(() => changes('closed') > 0)
    t.equal(await status(following), 200)
    t.equal(output().split('"breaker":"closed","msg"').length - 1, 1, 'by itself only one')
  })
