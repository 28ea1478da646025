import type { RequestListener } from 'node:http'
import t from 'tap'
import { call } from '../harness.ts'
import { follow } from '../observe/recorder/follow.ts'
import { harFaults } from '../observe/recorder/har.ts'
import { until } from '../until.ts'
import { startCluster, type TestWorker } from './workers.ts'

const answer: RequestListener = (request, response) =>
  void response
    .writeHead(request.url?.includes('bad') ? 500 : 200, { 'content-type': 'application/json' })
    .end('{"token":"s3cr3t"}')
const post = (url: string, body: object) =>
  call(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
const urls = (exchanges: { url: string }[]) => exchanges.map(({ url }) => url.slice('/things/'.length))

t.test('exchanges of all workers form one list, latest first, with the same filters and limits', async t => {
  const { admin, workers } = await startCluster(t, 3, answer)
  for (let i = 0; i < 9; i++) await call(`${workers[i % 3]?.url}/things/${i}`)
  await call(`${workers[1]?.url}/things/bad`)
  const { json } = await call(`${admin}/exchanges`)
  t.same(urls(json), ['bad', 8, 7, 6, 5, 4, 3, 2, 1, 0].map(String))
  t.equal(new Set(json.map(({ id }: { id: string }) => id)).size, 10, 'no id is there twice')
  t.same(urls((await call(`${admin}/exchanges?limit=4`)).json), ['bad', '8', '7', '6'])
  t.same(urls((await call(`${admin}/exchanges?status=5xx&failed=true`)).json), ['bad'])
  t.same(urls((await call(`${admin}/exchanges?requestId=${json[3].requestId}`)).json), ['6'])
  for (const query of ['limit=0', 'limit=10001', 'status=9', 'other=1'])
    t.equal((await call(`${admin}/exchanges?${query}`)).status, 400, query)

  const [, latest] = json
  const one = await call(`${admin}/exchanges/${latest.id}`)
  t.match(one.json, {
    id: latest.id,
    url: '/things/8',
    response: { body: { text: '{"token":"[redacted]"}' } }
  })
  t.same((await call(`${admin}/exchanges/${latest.requestId}`)).json, one.json)
  t.match(await call(`${admin}/exchanges/none`), {
    status: 404,
    json: { type: 'urn:sluice:no-such-exchange' }
  })
  const live = await call(`${admin}/exchanges/live.har`)
  t.equal(live.status, 404)
  t.equal(live.headers.get('sluice-missing'), null, 'no worker was asked for its stream')
  t.equal((await call(`${admin}/exchanges/..%2F..%2Fmetrics`)).status, 404)
})

t.test('an id used by two requests finds the later one, in any worker', async t => {
  const { admin, workers } = await startCluster(t, 2, answer)
  for (const [i, path] of [
    [1, 'earlier'],
    [0, 'later']
  ] as const)
    await call(`${workers[i]?.url}/things/${path}`, { headers: { 'x-request-id': 'mine' } })
  t.match((await call(`${admin}/exchanges/mine`)).json, { url: '/things/later' })
  t.match((await call(`${admin}/exchanges/mine.har`)).json.log.entries, [{ request: { url: /later$/ } }])
})

t.test('HARs of all workers merge into one valid HAR of the requested size', async t => {
  const { admin, workers } = await startCluster(t, 2, answer)
  t.same((await call(`${admin}/exchanges.har`)).json.log.entries, [])
  for (let i = 0; i < 5; i++) await call(`${workers[i === 4 ? 1 : 0]?.url}/things/${i}?q="entries":[`)
  const all = await call(`${admin}/exchanges.har`)
  t.same(harFaults(all.json), [])
  t.equal(all.json.log.entries.length, 5)
  t.match(all.headers.get('content-disposition'), 'exchanges.har')
  const some = (await call(`${admin}/exchanges.har?limit=3`)).json.log.entries
  t.same(
    some.map(({ request }: { request: { url: string } }) => request.url.match(/things\/(\d)/)?.[1]).sort(),
    ['2', '3', '4']
  )
  const { id } = (await call(`${admin}/exchanges?limit=1`)).json[0]
  const one = await call(`${admin}/exchanges/${id}.har`)
  t.same(harFaults(one.json), [])
  t.equal(one.json.log.entries[0]._sluice.id, id)
})

t.test('a live reader sees exchanges of all workers, including workers that start later', async t => {
  const { admin, workers, add } = await startCluster(t, 2, answer)
  const lines = await follow(`${admin}/exchanges/live?failed=true`)
  const events = await follow(`${admin}/exchanges/live`, { accept: 'text/event-stream' })
  const isFollowed = async (worker: TestWorker, by: boolean) =>
    until(() => worker.gateway.recorder?.live.isFollowed === by)
  for (const worker of workers) await isFollowed(worker, true)
  await call(`${workers[0]?.url}/things/good?token=s3cr3t`)
  t.match(await events.next(), /^data: \{.*\/things\/good\?token=\[redacted\]/)
  await call(`${workers[1]?.url}/things/bad`)
  t.match(JSON.parse(await lines.next()), { url: '/things/bad', status: 500 })
  t.match(await events.next(), /^data: \{.*\/things\/bad/)
  const third = await add()
  await isFollowed(third, true)
  await workers[0]?.end()
  await call(`${third.url}/things/bad-too`)
  t.match(JSON.parse(await lines.next()), { url: '/things/bad-too' })
  lines.leave()
  events.leave()
  for (const worker of workers) await isFollowed(worker, false)
})

t.test('a reader that does not read blocks nobody and learns how much it missed', async t => {
  const { admin, workers } = await startCluster(t, 1, answer)
  const [worker] = workers as [TestWorker]
  const readers = await Promise.all(Array.from({ length: 16 }, () => fetch(`${admin}/exchanges/live`)))
  t.match(await call(`${admin}/exchanges/live`), {
    status: 503,
    json: { type: 'urn:sluice:too-many-readers' }
  })
  for (const { body } of readers.slice(1)) await body?.cancel()
  await until(() => worker.gateway.recorder?.live.isFollowed)
  const long = 'x'.repeat(10_000)
  await until(async () => {
    await Promise.all(Array.from({ length: 50 }, () => call(`${worker.url}/things/1?${long}`)))
    return (worker.gateway.recorder?.live.dropped as number) > 0
  })
  const reader = readers[0]?.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>
  const asking = setInterval(() => call(`${worker.url}/things/1`), 50)
  let text = ''
  await until(async () => {
    text = text.slice(-100) + Buffer.from((await reader.read()).value ?? []).toString()
    return text.includes('{"missed":')
  })
  clearInterval(asking)
  t.pass('once it reads again it goes on')
  await reader.cancel()
  await until(async () => {
    const one = await fetch(`${admin}/exchanges/live`)
    await one.body?.cancel()
    return one.status === 200
  })
  for (let i = 0; i < 17; i++) await fetch(`${admin}/exchanges/live`, { method: 'HEAD' })
  const one = await fetch(`${admin}/exchanges/live`)
  t.equal(one.status, 200, 'a HEAD leaves no reader behind')
  await one.body?.cancel()
})

t.test('a live stream starts although the newest worker does not respond', async t => {
  const { admin, workers } = await startCluster(t, 2, (_request, response) => void response.end())
  const [, newest] = workers as [TestWorker, TestWorker]
  newest.socket += '.gone'
  const response = await fetch(`${admin}/exchanges/live`)
  t.equal(response.status, 200)
  await response.body?.cancel()
})

t.test('a capture covers all workers, including one that starts later', async t => {
  const { admin, workers, add, cluster } = await startCluster(t, 2, answer)
  const created = await post(`${admin}/captures`, { header: { name: 'X-Debug', value: 'me' }, count: 10 })
  t.match(created, {
    status: 201,
    json: { state: 'active', taken: 0, match: { header: { name: 'X-Debug' } } }
  })
  t.notMatch(created.text, '"me"')
  const path = created.headers.get('location') as string
  t.equal(path, `/captures/${created.json.id}`)
  const third = await add('starting')
  await until(() => third.gateway.recorder?.captures.isActive)
  third.state = 'ready'
  const headers = { 'x-debug': 'me' }
  for (const [i, worker] of workers.entries())
    await call(`${worker.url}/things/${i}?"exchanges":[`, { headers })
  await call(`${third.url}/things/other`)
  const { json } = await call(admin + path)
  t.match(json, { id: created.json.id, state: 'active', taken: 3 })
  t.same(
    urls(json.exchanges)
      .map(url => url[0])
      .sort(),
    ['0', '1', '2']
  )
  t.equal(json.exchanges[0].response.body.text, '{"token":"[redacted]"}')
  t.match((await call(`${admin}/captures`)).json, [{ id: created.json.id, taken: 3, bytes: Number }])
  const har = (await call(`${admin}${path}.har`)).json
  t.same(harFaults(har), [])
  t.equal(har.log.entries.length, 3)

  await workers[0]?.end()
  t.match((await call(admin + path)).json, { taken: 2 }, 'what an ended worker had is gone')
  t.equal((await call(admin + path, { method: 'DELETE' })).status, 204)
  t.equal((await call(admin + path)).status, 404)
  t.equal((await call(admin + path, { method: 'DELETE' })).status, 404)
  for (const { gateway } of workers) t.equal(gateway.recorder?.captures.list().length, 0)
  t.equal(cluster.workers().length, 2)
})

t.test('captures end and are bounded', async t => {
  const { admin, workers } = await startCluster(t, 2, answer)
  for (const options of [{}, { route: '/x', ttl: 1 }, { route: '/x', other: 1 }])
    t.equal((await post(`${admin}/captures`, options)).status, 400, JSON.stringify(options))
  const { json: capture } = await post(`${admin}/captures`, { route: '/things/*', count: 1 })
  await call(`${workers[0]?.url}/things/1`)
  t.match((await call(`${admin}/captures`)).json, [{ state: 'active' }], 'a worker has its count to take yet')
  await call(`${workers[1]?.url}/things/1`)
  t.match((await call(`${admin}/captures/${capture.id}`)).json, { state: 'complete', taken: 2 })
  await post(`${admin}/captures`, { route: '/things/*', ttl: 1_000 })
  await until(async () => (await call(`${admin}/captures`)).json[1].state === 'expired')
  for (let i = 0; i < 16; i++) t.equal((await post(`${admin}/captures`, { route: '/x' })).status, 201)
  t.match(await post(`${admin}/captures`, { route: '/x' }), {
    status: 409,
    json: { type: 'urn:sluice:too-many-captures' }
  })
  t.equal((await call(`${admin}/captures`)).json.length, 16)
})

t.test('without a recorder there are no exchanges and no captures', async t => {
  const { admin } = await startCluster(t, 2, answer, { recorder: { size: 0 } })
  for (const path of ['/exchanges', '/exchanges.har', '/exchanges/live', '/exchanges/1'])
    t.equal((await call(admin + path)).status, 404, path)
  t.equal((await post(`${admin}/captures`, { route: '/x' })).status, 404)
  t.same((await call(`${admin}/captures`)).json, [])
})
