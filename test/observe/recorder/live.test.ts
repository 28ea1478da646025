import t from 'tap'
import { call } from '../../harness.ts'
import { until } from '../../issuer.ts'
import { follow } from './follow.ts'
import { startWatched } from './gateway.ts'

t.test('a live reader gets each matching exchange as it ends', async t => {
  const { url, admin, gateway } = await startWatched(t, (request, response) => {
    response.writeHead(request.url?.startsWith('/things/bad') ? 500 : 200).end()
  })
  const lines = await follow(`${admin}/exchanges/live?failed=true`)
  const events = await follow(`${admin}/exchanges/live`, { accept: 'text/event-stream' })
  for (const path of ['good', 'bad']) await call(`${url}/things/${path}?token=s3cr3t`)
  t.match(JSON.parse(await lines.next()), { url: '/things/bad?token=[redacted]', status: 500 })
  t.match(await events.next(), /^data: \{.*\/things\/good/)
  t.match(await events.next(), /^data: \{.*\/things\/bad/)
  lines.leave()
  events.leave()
  await until(
    async () => gateway.recorder?.live.isFollowed,
    isFollowed => isFollowed === false
  )
})

t.test(
  'live readers are limited in number, and slow ones get the number of exchanges they missed',
  async t => {
    const { url, admin, gateway } = await startWatched(t, (_request, response) => void response.end())
    const readers = await Promise.all(Array.from({ length: 16 }, () => fetch(`${admin}/exchanges/live`)))
    t.equal((await call(`${admin}/exchanges/live`)).status, 503)
    // No reader reads: exchanges fill the sockets, then are dropped. More end at once than are sent.
    const long = 'x'.repeat(3_000)
    await until(
      async () => {
        await Promise.all(Array.from({ length: 50 }, () => call(`${url}/things/1?${long}`)))
        return gateway.recorder?.live.dropped as number
      },
      dropped => dropped > 0
    )
    t.pass('what was dropped is counted')
    for (const { body } of readers) await body?.cancel()
  }
)
