import { once } from 'node:events'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { call } from '../../harness.ts'
import { until } from '../../issuer.ts'
import { startWatched } from './gateway.ts'
import { harFaults } from './har.ts'

t.test('an exchange is recorded with stages, headers and bodies, without secrets', async t => {
  const { url, admin } = await startWatched(
    t,
    (request, response) => {
      request
        .resume()
        .on('end', () =>
          response
            .setHeader('content-type', 'application/json')
            .setHeader('set-cookie', 'sid=s3cr3t; Path=/')
            .end('{"name":"Ada","access_token":"s3cr3t","card":{"number":"s3cr3t"},"n":0.10}')
        )
    },
    { redact: { names: ['x-tenant-pin'], paths: ['card.number'] } }
  )
  await call(`${url}/things/1?api_key=s3cr3t&page=2`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer s3cr3t',
      cookie: 'sid=s3cr3t',
      'x-api-key': 's3cr3t',
      'x-tenant-pin': 's3cr3t',
      referer: 'https://shop.example/?token=s3cr3t',
      'content-type': 'application/json'
    },
    body: '{"p\\u0061ssword":"s3cr3t","nested":[{"secret":{"a":"s3cr3t"}}],"qty":1.50}'
  })
  await call(`${url}/things/reset/s3cr3t`)
  const [reset, posted] = (await call(`${admin}/exchanges`)).json
  t.equal(reset.url, '/things/reset/[redacted]')
  t.match(posted, {
    method: 'POST',
    url: '/things/1?api_key=[redacted]&page=2',
    route: '/things/*',
    scope: 'things',
    status: 200,
    upstream: 'things',
    attempts: 1,
    bytesReceived: Number,
    bytesSent: Number,
    durationMs: Number,
    stages: { queueMs: Number, upstreamMs: Number, sendMs: Number }
  })
  t.ok(posted.bytesReceived > 300 && posted.bytesSent > 200, 'bytes on the connection include headers')
  const { queueMs, upstreamMs, sendMs } = posted.stages
  t.ok(Math.abs(queueMs + upstreamMs + sendMs - posted.durationMs) < 0.01, 'the stages add up')

  const detail = await call(`${admin}/exchanges/${posted.id}`)
  t.equal(detail.headers.get('cache-control'), 'no-store')
  t.equal(
    detail.json.request.body.text,
    '{"p\\u0061ssword":"[redacted]","nested":[{"secret":"[redacted]"}],"qty":1.50}',
    'the rest is as it was sent'
  )
  t.equal(
    detail.json.response.body.text,
    '{"name":"Ada","access_token":"[redacted]","card":{"number":"[redacted]"},"n":0.10}'
  )
  const har = await call(`${admin}/exchanges.har`)
  for (const { text } of [detail, har, await call(`${admin}/exchanges`)]) t.notMatch(text, 's3cr3t')
  t.same(harFaults(har.json), [])
  t.equal(har.json.log.entries.length, 2)
  t.equal((await call(`${admin}/exchanges/${posted.requestId}.har`)).json.log.entries.length, 1)
})

t.test(
  'large, streamed, compressed and binary bodies arrive whole and are recorded up to the limit',
  async t => {
    const large = Buffer.alloc(300_000, 'abcdefgh')
    const { url, admin, gateway } = await startWatched(t, (request, response) => {
      if (request.url === '/things/packed')
        return void response
          .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
          .end(gzipSync('{"token":"s3cr3t","page":1}'))
      if (request.url === '/things/nonsense')
        return void response
          .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'rot13' })
          .end(Buffer.from([255, 254, 1]))
      if (request.url === '/things/binary')
        return void response.writeHead(200, { 'content-type': 'image/png' }).end(Buffer.from([255, 216, 0]))
      request.pipe(response)
    })
    const answer = await call(`${url}/things/large`, { method: 'POST', body: large })
    t.ok(answer.text === large.toString(), 'nothing is lost to the recorder')
    await call(`${url}/things/echo`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"a":[1],"token":"s3cr3t"}'
    })
    await fetch(`${url}/things/packed`).then(response => response.arrayBuffer())
    await fetch(`${url}/things/nonsense`).then(
      response => response.arrayBuffer(),
      () => {}
    )
    await fetch(`${url}/things/binary`).then(response => response.arrayBuffer())

    const list = (await call(`${admin}/exchanges`)).json
    const detailOf = async (path: string) =>
      (await call(`${admin}/exchanges/${list.find((one: { url: string }) => one.url === path).id}`)).json
    const { request, response } = await detailOf('/things/large')
    t.match(request.body, { size: 300_000, isTruncated: true })
    t.match(response.body, { size: 300_000, isTruncated: true })
    t.match((await detailOf('/things/echo')).request.body.text, '{"a":[1],"token":"[redacted]"}')
    t.equal((await detailOf('/things/packed')).response.body.text, '{"token":"[redacted]","page":1}')
    t.equal(
      (await detailOf('/things/binary')).response.body.base64,
      Buffer.from([255, 216, 0]).toString('base64')
    )
    t.ok((gateway.recorder?.counts().bytes ?? 0) < 60_000, 'a truncated body does not keep the rest alive')
  }
)

t.test('failed exchanges outlive the others, and filters find them', async t => {
  const { url, admin } = await startWatched(
    t,
    (request, response) => {
      if (request.url === '/things/hang') return
      response.writeHead(request.url === '/things/bad' ? 500 : 200).end()
    },
    { recorder: { size: 5 } }
  )
  await call(`${url}/things/bad`)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('GET /things/hang HTTP/1.1\r\nhost: g\r\n\r\n')
  await once(socket, 'connect')
  for (let i = 0; i < 20; i++) await call(`${url}/things/${i}`)
  socket.destroy()
  const ask = async (query: string) => (await call(`${admin}/exchanges?${query}`)).json
  await until(
    () => ask('status=aborted'),
    found => found.length === 1
  )
  const failed = await ask('failed=true')
  t.same(
    failed.map(({ url, status, abortReason }: Record<string, unknown>) => [url, status, abortReason]),
    [
      ['/things/hang', 499, 'SLUICE_CLIENT_CLOSED_REQUEST'],
      ['/things/bad', 500, undefined]
    ]
  )
  t.same(
    (await ask('failed=false')).map((one: { url: string }) => one.url),
    ['/things/19', '/things/18', '/things/17', '/things/16', '/things/15']
  )
  t.equal((await ask('status=5xx')).length, 1)
  t.equal((await ask('status=200&limit=2')).length, 2)
  t.equal((await ask('upstream=things')).length, 7)
  t.equal((await ask('upstream=other')).length, 0)
  t.equal((await ask('minDuration=60000')).length, 0)
  t.equal((await ask(`since=${Date.now() + 60_000}`)).length, 0)
  t.equal((await call(`${admin}/exchanges?status=nonsense`)).status, 400)
  t.equal((await call(`${admin}/exchanges/none`)).status, 404)
})

t.test('the memory of a ring is bounded by bytes', async t => {
  const { url, gateway } = await startWatched(t, (_request, response) => void response.end('x'), {
    recorder: { size: 10_000, memory: 1_048_576 }
  })
  const header = 'x'.repeat(8_000)
  for (let i = 0; i < 300; i++) await call(`${url}/things/${i}`, { headers: { 'x-long': header } })
  const counts = gateway.recorder?.counts()
  if (counts === undefined) throw new Error('the gateway has no recorder')
  const { held, bytes, recorded } = counts
  t.equal(recorded, 300)
  t.ok(bytes <= 1_048_576)
  t.ok(held > 50 && held < 150, String(held))
})

t.test('a ring that is full takes no more memory', async t => {
  const { url, gateway } = await startWatched(t, (_request, response) => void response.end('x'), {
    recorder: { size: 20 }
  })
  const header = 'x'.repeat(1_000)
  const heldAfter = async (count: number) => {
    for (let i = 0; i < count; i++) await call(`${url}/things/${i}`, { headers: { 'x-long': header } })
    return gateway.recorder?.counts() ?? ({} as never as { held: number; bytes: number })
  }
  const full = await heldAfter(60)
  t.equal(full.held, 20)
  t.same(await heldAfter(60), { ...full, recorded: 120 })
})

t.test('a reused slot shows nothing of its previous exchange', async t => {
  const { url, admin } = await startWatched(t, (request, response) => void request.pipe(response), {
    recorder: { size: 1 }
  })
  const latest = async () => {
    const [{ id }] = (await call(`${admin}/exchanges`)).json
    return (await call(`${admin}/exchanges/${id}`)).json
  }
  const headers = { 'content-type': 'text/plain', 'x-long': 'first'.repeat(200) }
  for (const body of ['first'.repeat(2_000), 'é'.repeat(2_100), 'x']) {
    await call(`${url}/things/${body.length}`, { method: 'POST', body, headers: body === 'x' ? {} : headers })
    const { url: path, request, response } = await latest()
    t.equal(path, `/things/${body.length}`)
    const kept = Buffer.from(body).subarray(0, 4_096)
    for (const part of [request, response])
      t.match(part.body, {
        size: Buffer.byteLength(body),
        isTruncated: kept.length < Buffer.byteLength(body)
      })
    t.ok(kept.toString().startsWith(request.body.text) && request.body.text.length >= kept.length / 2 - 1)
  }
  await call(`${url}/things/empty`)
  const empty = await latest()
  t.notMatch(JSON.stringify(empty), 'first')
  t.equal(empty.request.body, undefined)
})
