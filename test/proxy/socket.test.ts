import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { products } from '../../routes/products.ts'
import { call, type Ending, startGateway } from '../harness.ts'
import { until } from '../until.ts'

const scopes = { products: { prefix: '/products', routes: products } }

/** Returns the socket's path and its number of connections. */
async function startOnSocket(t: Ending, name: string) {
  // Not in the test's directory: paths of sockets are limited to about 100 bytes.
  const directory = mkdtempSync(join(tmpdir(), 'sluice-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, name)
  const server = createServer((request, response) => {
    response.end(`${name} ${request.headers.host} ${request.url}`)
  })
  server.listen(path)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const connections = () =>
    new Promise<number>(resolve => server.getConnections((_error, count) => resolve(count)))
  return { path, connections, server }
}

t.test('a service on a Unix socket is called, and its connections close with the gateway', async t => {
  const { path, connections } = await startOnSocket(t, 'a.sock')
  const { url, gateway } = await startGateway(t, { upstreams: { products: { url: `unix:${path}` } }, scopes })
  t.equal((await call(`${url}/products?a=1`)).text, 'a.sock localhost /products?a=1')
  t.equal(await connections(), 1)
  t.match(gateway.upstreams[0]?.state().endpoints, [{ url: `unix:${path}`, calls: 1 }])
  await gateway.close()
  await until(async () => (await connections()) === 0)
})

t.test('sockets and URLs may be mixed, each with its health check', async t => {
  const { path, server } = await startOnSocket(t, 'b.sock')
  const other = createServer((_request, response) => response.end('by TCP'))
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => {
    other.close()
    other.closeAllConnections()
  })
  const { port } = other.address() as import('node:net').AddressInfo
  const { url, gateway } = await startGateway(t, {
    upstreams: {
      products: {
        endpoints: [{ url: `unix:${path}` }, { url: `http://127.0.0.1:${port}` }],
        balance: { policy: 'round-robin' },
        health: { path: '/healthz', interval: 20, unhealthy: 1 }
      }
    },
    scopes
  })
  t.equal((await call(`${url}/products`)).text, 'b.sock localhost /products')
  t.equal((await call(`${url}/products`)).text, 'by TCP')
  server.close()
  server.closeAllConnections()
  await until(() => gateway.upstreams[0]?.state().endpoints[0]?.state === 'unhealthy')
  for (let i = 0; i < 4; i++) t.equal((await call(`${url}/products`)).text, 'by TCP')
})

t.test('a missing socket is a 502 without its path', async t => {
  const { url } = await startGateway(t, {
    upstreams: { products: { url: 'unix:/nowhere/secret.sock' } },
    scopes
  })
  const answer = await call(`${url}/products`)
  t.equal(answer.status, 502)
  t.notMatch(answer.text, /secret/)
})
