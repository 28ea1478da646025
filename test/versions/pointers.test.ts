import type { FastifyInstance } from 'fastify'
import t from 'tap'
import Type from 'typebox'
import { call, startGateway } from '../harness.ts'

/** Names that a pointer must escape, and as it has them (RFC 6901, 3). */
const NAMES: [name: string, escaped: string][] = [
  ['a/b', 'a~1b'],
  ['m~n', 'm~0n'],
  ['~1', '~01'],
  ['~0', '~00'],
  ['/~/', '~1~0~1'],
  ['a//b~~', 'a~1~1b~0~0']
]

t.test('names of members are escaped in pointers', async t => {
  const all = (type: () => object) => Object.fromEntries(NAMES.map(([name]) => [name, type()]))
  const inner = Type.Object(all(() => Type.Integer()) as Record<string, never>, {
    additionalProperties: false
  })
  const { url } = await startGateway(t, {
    scopes: {
      things: {
        prefix: '/things',
        routes: async (app: FastifyInstance) => {
          app.post('/', { schema: { body: Type.Object({ inner }) } }, () => '')
          app.get('/', { schema: { querystring: Type.Partial(inner) } }, () => '')
        }
      }
    }
  })
  const post = async (value: string) => {
    const { json } = await call(`${url}/things/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"inner":${value}}`
    })
    return json.errors.map(({ path }: { path: string }) => path).sort()
  }
  const expected = NAMES.map(([, escaped]) => `/body/inner/${escaped}`).sort()
  t.same(await post('{}'), expected, 'missing')
  const object = (value: string) => `{${NAMES.map(([name]) => `${JSON.stringify(name)}:${value}`).join(',')}}`
  t.same(await post(object('"x"')), expected, 'of another type')
  t.same(await post(object('9007199254740993')), expected, 'an integer that a double would change')
  const good = NAMES.map(([name]) => `${JSON.stringify(name)}:1`).join(',')
  for (const [name, escaped] of NAMES)
    t.same(await post(`{${good},${JSON.stringify(`x${name}`)}:1}`), [`/body/inner/x${escaped}`], 'unknown')

  for (const [name, escaped] of NAMES)
    for (const value of ['x', '9007199254740993']) {
      const { json } = await call(`${url}/things/?${encodeURIComponent(name)}=${value}`)
      t.match(json.errors, [{ path: `/querystring/${escaped}` }], `${name}=${value}`)
    }
})
