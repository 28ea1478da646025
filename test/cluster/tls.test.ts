import { once } from 'node:events'
import { request } from 'node:https'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { ca, exchange, fixture, startSession } from '../http2.ts'
import { configOf, startServer } from './rig.ts'

const file = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))
const secure = (edition: number, cert: string) =>
  configOf(edition, 'drain: { timeout: 4_000, idle: 500 },').replace(
    '{ port }',
    `{ port, http2: true, tls: { cert: '${file(`${cert}.pem`)}', key: '${file(`${cert}.key`)}' } }`
  )

t.test('workers terminate TLS and HTTP/2, so a reload changes both', async t => {
  const { url, reload, write } = await startServer(t, { config: secure(1, 'localhost'), workers: 1 })
  const session = await startSession(t, url.replace('http', 'https'))
  const headers = { ':path': '/api/edition', ':authority': new URL(url).host }
  const { status, body } = await exchange(session, headers)
  t.equal(status, 200)
  t.match(JSON.parse(String(body)), { edition: '1' })
  const before = await get(url)
  t.match(before.json, { edition: '1' })

  const goaway = once(session, 'goaway')
  const closed = new Promise(resolve => session.on('close', resolve))
  write(secure(2, 'renewed'))
  t.match(await reload(), { outcome: 'done' })
  t.same((await goaway).slice(0, 2), [0, 2 ** 31 - 1])
  await closed
  const after = await get(url)
  t.match(after.json, { edition: '2' })
  t.not(after.serial, before.serial, 'another certificate')
})

/** Over HTTP/1.1, on a connection of its own. */
async function get(url: string): Promise<{ json: object; serial: string }> {
  const asked = request(`${url.replace('http', 'https')}/api/edition`, {
    agent: false,
    ca: [ca, fixture('renewed.pem')],
    servername: 'localhost',
    headers: { connection: 'close' }
  }).end()
  const [response] = await once(asked, 'response')
  const serial = response.socket.getPeerCertificate().serialNumber
  let text = ''
  for await (const chunk of response) text += chunk
  return { json: JSON.parse(text), serial }
}
