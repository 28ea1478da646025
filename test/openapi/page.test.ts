import Fastify from 'fastify'
import t from 'tap'
import { openapi, problem } from '../../index.ts'
import { renderPage } from '../../openapi/page/page.ts'
import { listen } from '../bare/app.ts'
import { configOf, startServer } from '../cluster/rig.ts'
import { openWatched } from '../dashboard/watched-browser.ts'
import { call } from '../harness.ts'

async function startGreeter(t: { teardown(end: () => unknown): void }): Promise<string> {
  const app = Fastify({ forceCloseConnections: true })
  await app.register(problem)
  await app.register(openapi, { info: { title: 'Greeter' }, public: '/docs' })
  app.get('/hello/:name', {
    schema: {
      operationId: 'greet',
      summary: 'Greet somebody',
      params: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string', default: 'Ada' } }
      },
      response: { 200: { type: 'object', properties: { hello: { type: 'string' } } } }
    },
    handler: async ({ params }) => ({ hello: (params as { name: string }).name })
  })
  return listen(t, app)
}

t.test('clients read the page and try a request, without anything from elsewhere', async t => {
  const url = await startGreeter(t)
  const page = await openWatched(t, `${url}/docs#tag/default/GET/hello/{name}`)
  await page.getByRole('heading', { name: 'Greet somebody' }).first().waitFor()
  await page
    .getByRole('button', { name: /^Test Request/ })
    .first()
    .click()
  const response = page.waitForResponse(`${url}/hello/**`)
  await page.getByRole('button', { name: /^Send/ }).first().click()
  t.match(await (await response).json(), { hello: /./ })
})

t.test('the public documents are served below the page, and not described', async t => {
  const url = await startGreeter(t)
  const document = await call(`${url}/docs/openapi.json`)
  t.same(Object.keys(document.json.paths), ['/hello/{name}'])
  t.equal((await call(`${url}/docs/openapi/v1.json`)).status, 404)
  const { headers } = await call(`${url}/docs`)
  t.match(headers.get('content-security-policy'), /^default-src 'none'; script-src 'nonce-[\w+/=]{24}';/)
  const script = await call(`${url}/docs/scalar.js`, { headers: { 'accept-encoding': 'identity' } })
  t.match(script.text, /createApiReference/)
})

t.test('operators read the page of the admin listener after their login', async t => {
  const routes = `app.get('/', { schema: { summary: 'Read the greeting' } }, async () => 'x')`
  const token = 'a-token-of-an-operator'
  const config = configOf('1', '', routes).replace('ADMIN_PORT) }', `ADMIN_PORT), token: '${token}' }`)
  const { admin } = await startServer(t, { config, workers: 1 })
  const anonymous = await fetch(`${admin}/docs`, { redirect: 'manual' })
  t.same([anonymous.status, anonymous.headers.get('location')], [302, './'])

  const login = await call(`${admin}/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: admin },
    body: JSON.stringify({ token })
  })
  const [cookie = ''] = (login.headers.get('set-cookie') ?? '').split(';')
  const page = await openWatched(t, `${admin}/docs#all/tag/api/GET/api`, { extraHTTPHeaders: { cookie } })
  await page.getByRole('heading', { name: 'Read the greeting' }).first().waitFor()
  t.equal(await page.getByRole('button', { name: /Test Request/ }).count(), 0, 'the gateway is elsewhere')
})

t.test('texts of a config cannot leave their place in the page', t => {
  const { html } = renderPage({
    title: '</title><script>alert(1)</script>',
    documents: [{ title: '</script><script>alert(2)', slug: 'all', url: 'openapi.json' }],
    script: 'docs/scalar.js',
    origins: [],
    requests: 'none'
  })
  t.notMatch(html, /alert\(\d\)<\/script>|<script>alert/)
  t.match(html, '\\u003c/script>')
  t.end()
})
