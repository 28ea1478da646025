import t from 'tap'
import { call } from '../../harness.ts'
import { until } from '../../issuer.ts'
import { startWatched } from './gateway.ts'
import { harFaults } from './har.ts'

const json = { 'content-type': 'application/json' }
const post = (url: string, body: object) =>
  call(url, { method: 'POST', headers: json, body: JSON.stringify(body) })

t.test('a capture keeps whole bodies of matching exchanges and ends at its count', async t => {
  const large = JSON.stringify({ text: 'x'.repeat(100_000), token: 's3cr3t' })
  const { url, admin } = await startWatched(t, (request, response) => {
    response.setHeader('content-type', 'application/json')
    request.pipe(response)
  })
  const send = (headers = {}) =>
    call(`${url}/things/1`, { method: 'POST', headers: { ...json, ...headers }, body: large })
  await send({ 'x-debug': 'me' })
  const created = await post(`${admin}/captures`, { header: { name: 'X-Debug', value: 'me' }, count: 2 })
  t.equal(created.status, 201)
  t.match(created.json, { state: 'active', taken: 0, match: { header: { name: 'X-Debug' } } })
  t.notMatch(created.text, '"me"')
  await send({ 'x-debug': 'me' })
  await send({ 'x-debug': 'you' })
  await send()
  await send({ 'x-debug': 'me' })
  await send({ 'x-debug': 'me' })
  const { json: capture } = await call(`${admin}/captures/${created.json.id}`)
  t.match(capture, { state: 'complete', taken: 2 })
  for (const { request, response } of capture.exchanges) {
    t.equal(request.body.text, large.replace('s3cr3t', '[redacted]'))
    t.equal(response.body.text, large.replace('s3cr3t', '[redacted]'))
  }
  const har = await call(`${admin}/captures/${created.json.id}.har`)
  t.same(harFaults(har.json), [])
  t.equal(har.json.log.entries.length, 2)
  t.equal((await call(`${admin}/captures/${created.json.id}`, { method: 'DELETE' })).status, 204)
  t.equal((await call(`${admin}/captures/${created.json.id}`)).status, 404)
})

t.test('a capture ends at its time', async t => {
  const { url, admin, gateway } = await startWatched(t, (_request, response) => void response.end('x'))
  const { json: capture } = await post(`${admin}/captures`, { route: '/things/*', ttl: 1_000 })
  await call(`${url}/things/1`)
  await until(
    async () => (await call(`${admin}/captures`)).json[0].state,
    state => state === 'expired'
  )
  await call(`${url}/things/2`)
  t.equal((await call(`${admin}/captures/${capture.id}`)).json.taken, 1)
  t.equal(gateway.recorder?.captures.isActive, false, 'and costs nothing from then on')
})

t.test('all captures together stay below their memory limit', async t => {
  const { url, admin, gateway } = await startWatched(
    t,
    (request, response) => void request.resume().on('end', () => response.end()),
    { recorder: { captures: 1_048_576 } }
  )
  const { json: capture } = await post(`${admin}/captures`, { route: '/things/*', body: 400_000 })
  for (let i = 0; i < 6; i++)
    await call(`${url}/things/1`, { method: 'POST', headers: json, body: 'x'.repeat(390_000) })
  const { state, taken, bytes } = (await call(`${admin}/captures/${capture.id}`)).json
  t.ok(taken >= 1 && bytes <= 1_048_576, `${taken} in ${bytes}`)
  t.ok(['full', 'active'].includes(state))
  t.ok(gateway.recorder)
})

t.test('a capture that would match everything, or is invalid, is rejected', async t => {
  const { admin } = await startWatched(t, (_request, response) => void response.end())
  for (const options of [
    {},
    { ttl: 5_000 },
    { route: '/x', ttl: 1 },
    { route: '/x', other: 1 },
    { consumer: '' }
  ])
    t.equal((await post(`${admin}/captures`, options)).status, 400, JSON.stringify(options))
  for (let i = 0; i < 16; i++) t.equal((await post(`${admin}/captures`, { route: '/x' })).status, 201)
  t.equal((await post(`${admin}/captures`, { route: '/x' })).status, 409)
})
