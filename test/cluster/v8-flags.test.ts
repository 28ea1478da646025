import { Readable } from 'node:stream'
import t from 'tap'
import { request } from 'undici'
import { call, startService } from '../harness.ts'
import { configOf, startServer } from './rig.ts'

const ROUTES = `
const forward = (await import('../plugins/forward.ts')).default
await app.register(forward)
app.forward({ method: 'POST', url: '/things', upstream: 'things', prefix: '' })
`
const SIZE = 2 ** 28
const chunk = Buffer.alloc(65_536)

t.test('streaming a large body does not cause full collections', async t => {
  const service = await startService(t, async (request, response) => {
    let size = 0
    for await (const part of request) size += part.length
    response.end(String(size))
  })
  const more = `bodyLimit: 2 ** 30, deadline: 300_000, upstreams: { things: { url: '${service}', timeout: 300_000 } },`
  const { url, admin } = await startServer(t, { config: configOf(1, more, ROUTES), workers: 1 })
  const collections = async () => {
    const { text } = await call(`${admin}/metrics`)
    return Number(/^nodejs_gc_duration_seconds_count\{kind="major"\} (\d+)/m.exec(text)?.[1])
  }
  const upload = async () => {
    const { statusCode, body } = await request(`${url}/api/things`, {
      method: 'POST',
      headers: { 'content-length': String(SIZE) },
      body: Readable.from(chunks(), { objectMode: false })
    })
    t.equal(statusCode, 200)
    t.equal(await body.text(), String(SIZE))
  }
  // The heap grows to what it needs first.
  await upload()
  const before = await collections()
  t.ok(before > 0, 'they are counted')
  await upload()
  await upload()
  // There were a dozen and more before buffers counted as all else does.
  const during = (await collections()) - before
  t.ok(during <= 8, `${during} collections`)
})

t.test('flags of the supervisor come after those that workers have by default', async t => {
  const { url } = await startServer(t, {
    config: configOf(1, '', "app.get('/flags', async () => process.execArgv)"),
    workers: 1,
    before: 'set -- --max-semi-space-size=16 "$@";'
  })
  const { json } = await call(`${url}/api/flags`)
  t.strictSame(
    (json as string[]).filter(flag => flag.startsWith('--max-semi-space-size')),
    ['--max-semi-space-size=4', '--max-semi-space-size=16']
  )
})

function* chunks(): Generator<Buffer> {
  for (let sent = 0; sent < SIZE; sent += chunk.length) yield chunk
}
