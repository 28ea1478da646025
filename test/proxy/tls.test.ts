import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import t from 'tap'
import { products } from '../../routes/products.ts'
import { call, type Ending, startGateway } from '../harness.ts'

/** The tests' own authority: ca.pem signed localhost.pem. */
const read = (name: string) => readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8')
const scopes = { products: { prefix: '/products', routes: products } }

async function startTls(t: Ending, options: ServerOptions = {}): Promise<number> {
  const server = createServer(
    { cert: read('localhost.pem'), key: read('localhost.key'), ...options },
    (request, response) =>
      response.end((request.socket as TLSSocket).getPeerCertificate()?.subject?.CN ?? 'over TLS')
  )
  server.listen(0)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

t.test('a self-signed certificate is rejected (reply-from note 3)', async t => {
  const port = await startTls(t)
  const { url } = await startGateway(t, {
    upstreams: { products: { url: `https://localhost:${port}` } },
    scopes
  })
  const answer = await call(`${url}/products`)
  t.equal(answer.status, 502)
  t.notMatch(answer.text, /certificate|localhost/)
})

t.test('a trusted certificate for another host is rejected', async t => {
  const port = await startTls(t)
  const { url } = await startGateway(t, {
    upstreams: { products: { url: `https://127.0.0.1:${port}`, tls: { ca: read('ca.pem') } } },
    scopes
  })
  t.equal((await call(`${url}/products`)).status, 502)
})

t.test('a trusted certificate for the host is accepted', async t => {
  const port = await startTls(t)
  const { url } = await startGateway(t, {
    upstreams: { products: { url: `https://localhost:${port}`, tls: { ca: read('ca.pem') } } },
    scopes
  })
  t.equal((await call(`${url}/products`)).text, 'over TLS')
})

t.test('a service that requires a client certificate gets the gateway’s', async t => {
  const port = await startTls(t, { requestCert: true, rejectUnauthorized: true, ca: read('client-ca.pem') })
  const ca = read('ca.pem')
  const own = { cert: read('client.pem'), key: read('client.key') }
  const start = (tls: object) =>
    startGateway(t, { upstreams: { products: { url: `https://localhost:${port}`, tls } }, scopes })
  const known = await start({ ca, ...own })
  t.equal((await call(`${known.url}/products`)).text, 'gateway')
  t.notMatch(JSON.stringify(known.gateway.upstreams[0]?.state()), /PRIVATE|CERTIFICATE/)
  t.equal((await call(`${(await start({ ca })).url}/products`)).status, 502)
  // Signed by an authority that the service does not trust.
  const other = { cert: read('localhost.pem'), key: read('localhost.key') }
  t.equal((await call(`${(await start({ ca, ...other })).url}/products`)).status, 502)
})

t.test('the expected name of the certificate is an option', async t => {
  const port = await startTls(t)
  const tls = { ca: read('ca.pem'), servername: 'localhost' }
  const { url } = await startGateway(t, {
    upstreams: { products: { url: `https://127.0.0.1:${port}`, tls } },
    scopes
  })
  t.equal((await call(`${url}/products`)).text, 'over TLS')
})
