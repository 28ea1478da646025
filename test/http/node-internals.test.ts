import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createSecureServer, Http2ServerResponse } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { createServer, headerTextOf, responseClassesOf, ServerResponse } from '../../http/node-internals.ts'
import { environmentOf } from '../harness.ts'
import { tls } from '../http2.ts'

const root = join(import.meta.dirname, '../..')

t.test('a gateway does not load Node’s own undici', async t => {
  // Paths of Unix sockets are limited to about 100 bytes.
  const directory = await mkdtemp(join(tmpdir(), 'sluice-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const program = `
    import { createRequire } from 'node:module'
    import { loadConfig } from './cluster/config.ts'
    import { warmUp } from './cluster/warm-up.ts'
    import { buildGateway } from './gateway.ts'
    const service = 'http://127.0.0.1:1'
    const env = { USERS_URL: service, ORDERS_URL: service, PRODUCTS_URL: service, JWT_ISSUER: service, JWT_AUDIENCE: 'x', LOG_LEVEL: 'silent' }
    const gateway = await buildGateway(await loadConfig('./fastify.config.ts', env))
    await warmUp(${JSON.stringify(join(directory, 'w'))}, 1_000)
    await gateway.inject('/api/v1/products/1')
    // Makes the gateway fetch the issuer's keys.
    const [head, claims] = [{ alg: 'RS256', kid: '1' }, { sub: '1' }].map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
    const authorization = ['Bearer ' + head, claims, 'A'.repeat(342)].join('.')
    const { statusCode } = await gateway.inject({ url: '/api/v1/users/1', headers: { authorization } })
    const own = process.moduleLoadList.filter(name => name.includes('deps/undici'))
    const files = Object.keys(createRequire(import.meta.url).cache)
    const isLoaded = name => files.some(file => file.includes('/node_modules/' + name + '/'))
    console.log(JSON.stringify({ statusCode, own, fastify: isLoaded('fastify') }))
    process.exit()`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    cwd: root,
    env: environmentOf()
  })
  t.same(JSON.parse(stdout), { statusCode: 503, own: [], fastify: true })
})

t.test('Node keeps the classes of its responses on the server', t => {
  class Own extends ServerResponse {}
  t.same(responseClassesOf(createServer()), [ServerResponse])
  t.same(responseClassesOf(createServer({ ServerResponse: Own })), [Own])
  class OwnHttp2 extends Http2ServerResponse {}
  const options = {
    ...tls,
    allowHTTP1: true,
    http1Options: { ServerResponse: Own },
    Http2ServerResponse: OwnHttp2
  }
  t.same(responseClassesOf(createSecureServer(options as never)), [Own, OwnHttp2])
  t.end()
})

t.test('Node keeps the text of the headers on an HTTP/1.1 response', async t => {
  let before: string | undefined
  let after: string | undefined
  const server = createServer((_request, response) => {
    before = headerTextOf(response)
    response.writeHead(200, { 'x-own': 'yes' }).end('hello')
    after = headerTextOf(response)
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await (await fetch(`http://127.0.0.1:${port}`, { headers: { connection: 'close' } })).text()
  t.equal(before, undefined)
  t.match(after, /^HTTP\/1\.1 200 OK\r\nx-own: yes\r\n[\s\S]*\r\n\r\n$/)
})

t.test('Node can make a standard output that is a pipe non-blocking', async t => {
  const program = `
    import { writeSync } from 'node:fs'
    import { unblockStream } from './http/node-internals.ts'
    unblockStream(process.stdout)
    let code
    try {
      for (let i = 0; i < 100; i++) writeSync(1, 'x'.repeat(100_000))
    } catch (error) {
      code = error.code
    }
    process.stderr.write(String(code))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: root })
  // Its output is not read, so that the pipe fills up.
  child.stdout.pause()
  const [code] = await once(child.stderr, 'data')
  child.kill('SIGKILL')
  t.equal(String(code), 'EAGAIN')
})
