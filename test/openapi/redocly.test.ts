import { createRequire } from 'node:module'
import t, { type Test } from 'tap'
import Type from 'typebox'
import { compose, forward, grpc, path, transform, websocket } from '../../index.ts'
import type { OpenApiDocument } from '../../openapi/document-types.ts'
import { startGateway, startShop } from '../harness.ts'

/** Checks documents by the recommended rules of @redocly/cli. */

async function checkAll(
  t: Test,
  openapi: NonNullable<Awaited<ReturnType<typeof startShop>>['gateway']['openapi']>
) {
  for (const version of [undefined, ...openapi.versions()])
    t.same(await faultsOf(await openapi.document(version)), [], version ?? 'all versions')
}

interface Fault {
  ruleId: string
  message: string
  location: { pointer?: string }[]
}

/** Returns what breaks the rules. Their engine is in the packages of this folder, which test/prepare.ts installs. */
async function faultsOf(document: OpenApiDocument | undefined): Promise<string[]> {
  const engine = createRequire(import.meta.url).resolve('@redocly/openapi-core')
  const { createConfig, lintFromString } = await import(engine)
  const config = await createConfig({ extends: ['recommended'] })
  const faults: Fault[] = await lintFromString({ source: JSON.stringify(document), config })
  // A handshake's only success is 101.
  const isHandshake = ({ ruleId, location }: Fault) =>
    ruleId === 'operation-2xx-response' && location[0]?.pointer?.endsWith('feed/get/responses')
  return faults
    .filter(fault => !isHandshake(fault))
    .map(({ ruleId, message, location }) => `${ruleId} ${location[0]?.pointer} ${message}`)
}

t.test('the documents of the shop follow the rules', async t => {
  const { gateway } = await startShop(t, {})
  await checkAll(t, gateway.openapi as never)
})

t.test('the documents of all kinds of routes follow the rules', async t => {
  const Text = Type.Object({ text: Type.String() })
  const Tree = {
    $id: 'Tree',
    type: 'object',
    properties: { trees: { type: 'array', items: { $ref: 'Tree#' } } }
  }
  const routes = async (app: Parameters<typeof forward>[0]) => {
    for (const plugin of [compose, forward, grpc, transform, websocket]) await app.register(plugin)
    app.addSchema(Tree)
    app.get('/tree/:id?', { schema: { response: { 200: { $ref: 'Tree#' } } } }, async () => ({}))
    app.get('/:a-:b/files/*', async () => ({}))
    app.delete('/tree/:name', async () => ({}))
    app.forward({ method: ['GET', 'PUT'], url: '/any/*', upstream: 'one', prefix: '' })
    app.forward({ method: 'GET', url: '/any/:thing', upstream: 'one', prefix: '' })
    app.websocket({ url: '/feed', upstream: 'one', prefix: '' })
    app.grpc({ url: '/grpc/*', upstream: 'one' })
    app.compose({
      url: '/page',
      response: Text,
      parts: { one: { upstream: 'one', upstreamResponse: Text, path: () => path`/one` } },
      toClient: ({ one }) => ({ text: one?.text ?? '' })
    })
    app.transform({
      method: 'PATCH',
      url: '/things/:id',
      upstream: 'one',
      body: Text,
      querystring: Type.Object({ dry: Type.Optional(Type.Boolean()) }),
      upstreamResponse: Text,
      response: Text,
      toUpstream: () => ({ method: 'PATCH', path: '/' }),
      toClient: text => text
    })
  }
  const { gateway } = await startGateway(t, {
    openapi: { info: { title: 'All', license: { name: 'MIT', identifier: 'MIT' } } },
    upstreams: { one: { url: 'http://127.0.0.1:9' } },
    issuers: { corp: { issuer: 'https://auth.example.org', audience: 'a' } },
    tiers: { free: { limits: [{ limit: 9, window: 1_000 }] } },
    scopes: {
      plain: {
        prefix: '/plain',
        routes,
        ipFilter: { deny: ['10.0.0.1'] },
        cors: { origins: ['https://example.org'] }
      },
      tokens: { prefix: '/tokens', routes, jwt: 'corp', rateLimit: { consumer: 'free' } },
      old: {
        prefix: '/{version}/old',
        versions: { v1: { routes, deprecated: '2020-01-01T00:00:00Z' }, v2: { routes }, v3: { routes } },
        version: { header: 'Accept-Version', query: 'version', mediaType: 'v' }
      }
    }
  })
  await checkAll(t, gateway.openapi as never)
})

t.test('a document that breaks a rule is noticed', async t => {
  const { gateway } = await startShop(t, {})
  const document = structuredClone(await gateway.openapi?.document()) as OpenApiDocument
  delete document.paths['/api/v2/orders']?.post?.summary
  t.match(await faultsOf(document), [/^operation-summary /])
})
