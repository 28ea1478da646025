import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import Type from 'typebox'
import { call, startGateway } from '../harness.ts'

const scopes = {
  x: {
    prefix: '/x',
    routes: async (app: import('fastify').FastifyInstance) => {
      app.get('/fail', () => {
        throw new Error('password is hunter2')
      })
      app.get('/teapot', () => {
        throw Object.assign(new Error('secret pot'), { statusCode: 418 })
      })
      app.get(
        '/query',
        {
          schema: {
            querystring: Type.Object({ n: Type.Integer(), list: Type.Optional(Type.Array(Type.Integer())) })
          }
        },
        request => request.query
      )
      app.put('/:id', () => 'put')
    }
  }
}

t.test(
  'everything that is not a success is a problem (RFC 9457), and says nothing of the inside',
  async t => {
    const { url } = await startGateway(t, { scopes })
    const cases: [string, RequestInit, number, object][] = [
      ['/x/fail', {}, 500, { type: 'about:blank', title: 'Internal Server Error' }],
      ['/x/teapot', {}, 418, { type: 'about:blank', title: "I'm a Teapot" }],
      ['/nowhere', {}, 404, { type: 'urn:sluice:route-not-found', title: 'No such route' }],
      [
        '/x/query?n=a',
        {},
        400,
        { type: 'urn:sluice:validation-failed', errors: [{ path: '/querystring/n' }] }
      ],
      [
        '/x/1',
        { method: 'PUT', body: '{', headers: { 'content-type': 'application/json' } },
        400,
        { title: 'Bad Request' }
      ],
      ['/x/%', {}, 400, { title: 'Bad Request' }]
    ]
    for (const [path, init, status, body] of cases) {
      const answer = await call(url + path, init)
      t.equal(answer.status, status, path)
      t.equal(answer.headers.get('content-type'), 'application/problem+json')
      t.match(answer.json, { ...body, status, requestId: String })
      t.notMatch(answer.text, /hunter2|secret|stack|node_modules/)
    }
  }
)

t.test('a method that a path does not have is 405 and names those it has (RFC 9110, 15.5.6)', async t => {
  const { url } = await startGateway(t, { scopes })
  const answer = await call(`${url}/x/anything`, { method: 'DELETE' })
  t.equal(answer.status, 405)
  t.equal(answer.headers.get('allow'), 'PUT')
  t.equal((await call(`${url}/x/fail`, { method: 'POST' })).headers.get('allow'), 'GET, HEAD, PUT')
})

t.test('a query is text, so numbers and lists are read from it', async t => {
  const { url } = await startGateway(t, { scopes })
  t.same((await call(`${url}/x/query?n=1&list=2`)).json, { n: 1, list: [2] })
})

t.test('bytes that are not HTTP get a problem, and the connection is closed', async t => {
  const { url } = await startGateway(t, { scopes })
  for (const [bytes, status] of [
    ['GARBAGE\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431]
  ] as const) {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    let text = ''
    socket.on('data', chunk => {
      text += chunk
    })
    socket.write(bytes)
    await once(socket, 'close')
    t.match(text, new RegExp(`^HTTP/1.1 ${status} `))
    t.match(JSON.parse(text.split('\r\n\r\n')[1] as string), { type: 'about:blank', status })
  }
})
