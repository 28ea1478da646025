import Type, { type Static } from 'typebox'

/** Configs that do not what a config does. */
export const environment = Type.Object({ CASE: Type.String() })

const cases: Record<string, () => unknown> = {
  throws: () => {
    throw new Error('no such luck\nand more of it')
  },
  'throws nothing': () => {
    throw undefined
  },
  'is a promise': async () => ({}),
  'is nothing': () => null,
  'is no object': () => 'gateway',
  'is faulty': () => ({
    listen: { port: 'x' },
    trustProxy: ['10.0.0.0/33'],
    scopes: { a: { prefix: 'a', routes: 1, jwt: 'nobody' } },
    typo: 1
  }),
  'has routes that throw': () => scoped(async () => Promise.reject(new Error('these routes fail'))),
  'has routes without an upstream': () => scoped(async (app: any) => void app.upstream('nobody')),
  'has a schema that is none': () =>
    scoped(async (app: any) => app.get('/', { schema: { querystring: { type: 'nothing' } } }, () => '')),
  'has routes twice': () =>
    scoped(async (app: any) => {
      app.get('/', () => '')
      app.get('/', () => '')
    }),
  'has no certificate': () => ({ listen: { tls: { cert: '/nowhere/cert.pem', key: '/nowhere/key.pem' } } }),
  'turns the screen': () => ({ scopes: { 'a\u001b[2J\u202e': { prefix: '/a', routes: () => {} } } })
}

function scoped(routes: unknown): object {
  return { scopes: { a: { prefix: '/a', routes } } }
}

export const names = Object.keys(cases)
export default ({ CASE }: Static<typeof environment>) => cases[CASE]?.()
