import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import t from 'tap'
import { showBody } from '../../../observe/recorder/decode.ts'
import { createRedactor } from '../../../observe/redact/redactor.ts'
import { call } from '../../harness.ts'
import { startWatched } from './gateway.ts'

/** Small bodies that are large once decompressed. */
const SIZE = 4_194_300
const BOMBS: [coding: string, bytes: Buffer][] = [
  ['br', brotliCompressSync(Buffer.alloc(SIZE, 'a'), { params: { [constants.BROTLI_PARAM_LGWIN]: 22 } })],
  ['gzip', gzipSync(Buffer.alloc(SIZE, 'a'), { level: 9 })]
]

t.test('a body that decompresses to far more than was sent is not shown', async t => {
  const [, bomb] = BOMBS[0] as (typeof BOMBS)[0]
  const { url, admin } = await startWatched(t, (_request, response) => {
    response.setHeader('content-type', 'text/plain').setHeader('content-encoding', 'br').end(bomb)
  })
  for (const [coding, body] of BOMBS)
    await fetch(`${url}/things/x`, {
      method: 'POST',
      body,
      headers: { 'content-encoding': coding, 'content-type': 'text/plain' }
    }).then(response => response.arrayBuffer())
  for (const path of ['/exchanges.har', '/exchanges.har?limit=10000']) {
    const { status, text } = await call(admin + path)
    t.equal(status, 200)
    t.ok(text.length < 1_000_000, `${text.length} bytes are shown`)
    t.ok(/decompresses to more than \d+ bytes/.test(text))
  }
  const [{ id }] = (await call(`${admin}/exchanges`)).json
  const { request, response } = (await call(`${admin}/exchanges/${id}`)).json
  t.match(request.body, { text: undefined, hidden: /decompresses/ })
  t.match(response.body, { text: undefined, hidden: /decompresses/ })
})

t.test('a body with a usual compression ratio is shown', async t => {
  const text = JSON.stringify(Array.from({ length: 2_000 }, (_, i) => ({ n: i })))
  const { url, admin } = await startWatched(t, (_request, response) => {
    response
      .setHeader('content-type', 'application/json')
      .setHeader('content-encoding', 'gzip')
      .end(gzipSync('{"a":1}'))
  })
  await fetch(`${url}/things/x`, {
    method: 'POST',
    body: gzipSync(text).subarray(0, 4_096),
    headers: { 'content-encoding': 'gzip', 'content-type': 'application/json' }
  }).then(response => response.arrayBuffer())
  const [{ id }] = (await call(`${admin}/exchanges`)).json
  const { request, response } = (await call(`${admin}/exchanges/${id}`)).json
  t.match(request.body.text, /^\[\{"n":0\}/)
  t.equal(response.body.text, '{"a":1}')
})

t.test('the bodies of one response share a budget', async t => {
  const content = gzipSync(Buffer.alloc(60_000, 'a'))
  const redactor = createRedactor({ names: [], paths: [] })
  const budget = { left: 150_000 }
  const shown = [1, 2, 3, 4].map(() =>
    showBody({ content, size: content.length, isTruncated: false }, 'text/plain', 'gzip', redactor, budget)
  )
  t.same(
    shown.map(body => body?.text?.length),
    [60_000, 60_000, undefined, undefined]
  )
  t.match(shown[2]?.hidden, /all bodies together/)
})
