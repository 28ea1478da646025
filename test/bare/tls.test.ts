import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { join } from 'node:path'
import { connect } from 'node:tls'
import Fastify from 'fastify'
import { http2, serverOptions, tls } from 'sluice'
import t from 'tap'
import { listen } from './app.ts'

const fixtures = join(import.meta.dirname, '../fixtures')
const pem = (name: string) => readFileSync(join(fixtures, name), 'utf8')

t.test('tls renews the certificate of a bare app that was created with serverOptions()', async t => {
  const directory = await mkdtemp(join(import.meta.dirname, '../../.test-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const options = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem'), reload: 0 }
  writeFileSync(options.cert, pem('localhost.pem'))
  writeFileSync(options.key, pem('localhost.key'))
  const app = Fastify(serverOptions({ tls: options, http2: true }))
  await app.register(http2)
  await app.register(tls, options)
  app.get('/', async request => request.raw.httpVersion)
  const url = await listen(t, app)
  const serial = async () => {
    const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { fingerprint } = socket.getPeerCertificate()
    socket.destroy()
    return fingerprint
  }
  const before = await serial()
  writeFileSync(options.cert, pem('renewed.pem'))
  t.equal(app.reloadCertificates(), false, 'the key belongs to the old certificate')
  t.equal(await serial(), before)
  writeFileSync(options.key, pem('renewed.key'))
  t.equal(app.reloadCertificates(), true)
  t.not(await serial(), before)

  const client = connectHttp2(url, { rejectUnauthorized: false })
  t.teardown(() => client.close())
  const stream = client.request({ ':path': '/' })
  let text = ''
  for await (const chunk of stream) text += chunk
  t.equal(text, '2.0')
})

t.test('tls rejects a listener without TLS', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(
    Promise.resolve(app.register(tls, { cert: pem('localhost.pem'), key: pem('localhost.key') })),
    { message: /the listener has no TLS; create the app with Fastify\(serverOptions/ }
  )
})
