import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { type Answer, call, startGateway } from '../harness.ts'
import { type Issuer, inMs, startIssuer } from '../issuer.ts'

t.test('a token is verified once and gets the same response each time', async t => {
  const { issuer, ask, verifications } = await startCounted(t, {})
  const tokens = await Promise.all([
    issuer.sign({ tier: 'premium', roles: ['admin'] }),
    issuer.sign({ sub: 'bob' })
  ])
  for (const token of tokens) {
    const before = verifications()
    const first = await ask(token)
    const again = await Promise.all(Array.from({ length: 20 }, () => ask(token)))
    t.equal(verifications(), before + 1)
    for (const { status, json } of again) t.strictSame([status, json], [200, first.json])
  }
})

t.test('the number of cached tokens is bounded, and evicted tokens stay valid', async t => {
  const { issuer, ask, verifications } = await startCounted(t, { cache: 2 })
  const subs = ['a', 'b', 'c', 'd', 'e']
  const tokens = await Promise.all(subs.map(sub => issuer.sign({ sub })))
  for (let round = 1; round <= 3; round++) {
    for (const [index, token] of tokens.entries()) t.equal((await ask(token)).json.sub, subs[index])
    t.equal(verifications(), round * 5, 'five in turn never meet a memory of two')
  }
  await ask(tokens[4] as string)
  await ask(tokens[3] as string)
  t.equal(verifications(), 15, 'the last two are remembered')
})

t.test('with cache 0 every token is verified each time', async t => {
  const { issuer, ask, verifications } = await startCounted(t, { cache: 0 })
  const token = await issuer.sign()
  for (let time = 1; time <= 3; time++) {
    t.equal((await ask(token)).status, 200)
    t.equal(verifications(), time)
  }
})

t.test('rejected tokens do not evict valid ones', async t => {
  const { issuer, ask, verifications } = await startCounted(t, { cache: 1 })
  const good = await issuer.sign()
  const bad = await issuer.sign({ sub: 'ada\n' })
  await ask(good)
  for (let time = 0; time < 3; time++) t.equal((await ask(bad)).json.title, 'Invalid token')
  const before = verifications()
  t.equal((await ask(good)).status, 200)
  t.equal(verifications(), before)
})

t.test('a token that differs from a cached one in one character is another token', async t => {
  const { issuer, ask } = await startCounted(t, {})
  const token = await issuer.sign()
  t.equal((await ask(token)).status, 200)
  for (const at of [5, token.indexOf('.') + 5, token.length - 10]) {
    const other = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
    t.equal((await ask(other)).json.title, 'Invalid token', `at ${at}`)
  }
  for (const rest of ['A', '=', '.', `,${token}`, ` ${token}`])
    t.equal((await ask(token + rest)).status, 401, `followed by ${rest.slice(0, 5)}`)
  t.equal((await ask(token)).status, 200)
})

t.test(
  'consumers with equal roles and permissions share them, and no consumer gets those of another',
  async t => {
    const users: FastifyRequest['user'][] = []
    const { issuer, ask } = await startCounted(t, {}, ({ user }) => void users.push(user))
    const both = { roles: ['admin', 'customer'], permissions: ['orders:read'] }
    const claims = [
      { sub: 'ada', ...both },
      { sub: 'bob', ...both },
      { sub: 'cyd', roles: ['admin,customer', 'admin'], permissions: ['orders:read', 'x'.repeat(300)] },
      { sub: 'dan', roles: [], permissions: 7 }
    ]
    for (const claim of claims) await ask(await issuer.sign(claim))
    const [ada, bob, cyd, dan] = users
    t.ok(ada?.roles === bob?.roles && ada?.permissions === bob?.permissions)
    t.same(ada, { ...ada, sub: 'ada', ...both })
    t.same([cyd?.roles, cyd?.permissions, dan?.roles, dan?.permissions], [['admin'], ['orders:read'], [], []])
  }
)

t.test('a cached token ends when it expires', async t => {
  const { issuer, ask, verifications } = await startCounted(t, { clockTolerance: 0 })
  const exp = inMs(1_200)
  const token = await issuer.sign({ exp })
  t.equal((await ask(token)).status, 200)
  let answer: Answer
  do {
    await delay(20)
    answer = await ask(token)
  } while (answer.status === 200 && Date.now() < exp * 1000 + 2_000)
  t.equal(answer.json.title, 'Token expired')
  t.ok(Date.now() >= exp * 1000, 'and no sooner')
  t.equal(verifications(), 2, 'once when it came, and once when its time was over')
})

t.test('a route cannot change the user of the next request', async t => {
  const { issuer, ask } = await startCounted(t, {}, ({ user }) => {
    const mine = user as unknown as { roles: string[]; permissions: string[]; tier: string }
    t.throws(() => mine.roles.push('admin'), TypeError)
    t.throws(() => mine.permissions.push('all'), TypeError)
    t.throws(() => Object.assign(mine, { tier: 'premium' }), TypeError)
  })
  const token = await issuer.sign({ roles: ['reader'] })
  for (let time = 0; time < 2; time++)
    t.strictSame((await ask(token)).json, { sub: 'ada', roles: ['reader'], permissions: [], tier: 'free' })
})

interface Counted {
  issuer: Issuer
  ask(token: string): Promise<Answer>
  /** Number of tokens that @fastify/jwt has verified. */
  verifications(): number
}

async function startCounted(
  t: Test,
  options: { cache?: number; clockTolerance?: number },
  inRoute: (request: FastifyRequest) => void = () => {}
): Promise<Counted> {
  const issuer = await startIssuer(t)
  let verified = 0
  const { url } = await startGateway(t, {
    issuers: { test: { issuer: issuer.issuer, audience: 'api://gateway', ...options } },
    scopes: {
      me: {
        prefix: '/me',
        jwt: 'test',
        routes: async app => {
          let isCounting = false
          app.addHook('onSend', async request => {
            if (!isCounting) countCalls(request, 'sluice1JwtVerify', () => verified++)
            isCounting = true
          })
          app.get('/', async request => {
            inRoute(request)
            return request.user
          })
        }
      }
    }
  })
  // Without a token, so nothing is verified.
  await call(`${url}/me`)
  return {
    issuer,
    ask: token => call(`${url}/me`, { headers: { authorization: `Bearer ${token}` } }),
    verifications: () => verified
  }
}

/** The method is a decorator, so it is on the prototype that all requests of the scope share. */
function countCalls(request: object, name: string, count: () => void): void {
  let owner = Object.getPrototypeOf(request)
  while (!Object.hasOwn(owner, name)) owner = Object.getPrototypeOf(owner)
  const method = owner[name]
  owner[name] = function (...args: unknown[]) {
    // Without a callback the method calls itself with one.
    if (args.length === 0) count()
    return method.apply(this, args)
  }
}
