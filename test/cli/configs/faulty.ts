import Type, { type Static } from 'typebox'

/** One faulty config per case. */
export const environment = Type.Object({ CASE: Type.String() })

const cases: Record<string, () => unknown> = {
  throws: () => {
    throw new Error('no such luck\nand a second line')
  },
  'throws undefined': () => {
    throw undefined
  },
  'is a promise': async () => ({}),
  'is null': () => null,
  'is a string': () => 'gateway',
  'has several faults': () => ({
    listen: { port: 'x' },
    trustProxy: ['10.0.0.0/33'],
    scopes: { a: { prefix: 'a', routes: 1, jwt: 'nobody' } },
    typo: 1
  }),
  'has throwing routes': () => scoped(async () => Promise.reject(new Error('these routes fail'))),
  'has an unknown upstream': () => scoped(async (app: any) => void app.upstream('nobody')),
  'has an invalid schema': () =>
    scoped(async (app: any) => app.get('/', { schema: { querystring: { type: 'nothing' } } }, () => '')),
  'has duplicate routes': () =>
    scoped(async (app: any) => {
      app.get('/', () => '')
      app.get('/', () => '')
    }),
  'has a missing certificate': () => ({
    listen: { tls: { cert: '/nowhere/cert.pem', key: '/nowhere/key.pem' } }
  }),
  'has control characters': () => ({ scopes: { 'a\u001b[2J\u202e': { prefix: '/a', routes: () => {} } } })
}

function scoped(routes: unknown): object {
  return { scopes: { a: { prefix: '/a', routes } } }
}

export const names = Object.keys(cases)
export default ({ CASE }: Static<typeof environment>) => cases[CASE]?.()
