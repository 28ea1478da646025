import { once } from 'node:events'
import { Agent, get } from 'node:http'
import Fastify from 'fastify'
import { drain } from 'sluice'
import t from 'tap'
import { listen } from './app.ts'

t.test('drain ends idle connections of a bare app and lets requests finish', async t => {
  const app = Fastify()
  await app.register(drain, { timeout: 5_000, idle: 50 })
  app.get('/', async () => 'hello')
  app.get('/slow', async () => {
    await new Promise(resolve => setTimeout(resolve, 300))
    return 'slow'
  })
  const url = await listen(t, app)
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const request = async (path: string) => {
    const [response] = await once(get(`${url}${path}`, { agent }), 'response')
    let text = ''
    for await (const chunk of response) text += chunk
    return { text, connection: response.headers.connection }
  }
  t.same(await request('/'), { text: 'hello', connection: 'keep-alive' })
  const slow = request('/slow')
  await new Promise(resolve => setTimeout(resolve, 50))
  const cut = app.drain()
  t.same((await slow).text, 'slow')
  t.equal(await cut, 0)
})
