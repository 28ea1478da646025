import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { resolveConfig } from '../../../config/resolve-config.ts'
import { buildGateway } from '../../../gateway.ts'
import forward from '../../../plugins/forward.ts'
import { startService } from '../../../testing.ts'

/**
 * Runs W3C's trace-context suite against a gateway: `node --conditions=sluice-source test/observe/otel/w3c.ts FOLDER [--otel]`.
 * FOLDER is the folder `test` of github.com/w3c/trace-context; its Python needs aiohttp.
 *
 * The suite calls a service through the gateway, which calls back through the gateway with the headers that it received.
 */
const {
  values: { otel = false, python = 'python3' },
  positionals: [folder = '.', ...cases]
} = parseArgs({
  options: { otel: { type: 'boolean' }, python: { type: 'string' } },
  allowPositionals: true
})
const HARNESS = 'http://127.0.0.1:7777'
const ends: (() => unknown)[] = []
const t = { teardown: (end: () => unknown) => void ends.push(end) }

const service = await startService(t, async (received, response) => {
  const calls: { url: string; arguments: unknown }[] = JSON.parse(await text(received))
  for (const { url, arguments: body } of calls) {
    const { traceparent, tracestate } = received.headers
    const call = request(url.replace(HARNESS, `${gatewayUrl}/api`), {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(traceparent && { traceparent }),
        ...(tracestate && { tracestate })
      }
    })
    call.end(JSON.stringify(body))
    const [answer] = await once(call, 'response')
    if (answer.statusCode !== 200) console.error(answer.statusCode, await text(answer))
    else await text(answer)
  }
  response.setHeader('content-type', 'application/json').end('{}')
})
const gateway = await buildGateway(
  resolveConfig(
    {
      default: {
        log: { level: 'silent' },
        ...(otel && { otel: {} }),
        upstreams: { service: { url: service }, harness: { url: HARNESS } },
        scopes: {
          all: {
            prefix: '/api',
            routes: async (app: FastifyInstance) => {
              await app.register(forward)
              app.forward({ method: 'POST', url: '/test', upstream: 'service', prefix: '/' })
              app.forward({ method: 'POST', url: '/*', upstream: 'harness', prefix: '' })
            }
          }
        }
      }
    },
    {}
  )
)
ends.push(() => gateway.close())
const gatewayUrl = await gateway.listen({ port: 0, host: '127.0.0.1' })
const suite = spawn(python, ['test.py', `${gatewayUrl}/api/test`, ...cases], {
  cwd: folder,
  env: { ...process.env, SPEC_LEVEL: '2' },
  stdio: 'inherit'
})
const [code] = await once(suite, 'exit')
for (const end of ends.reverse()) await end()
process.exitCode = code
