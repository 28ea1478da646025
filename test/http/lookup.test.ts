import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { mock } from 'node:test'
import t from 'tap'
import { createLookup, type NameLookupOptions } from '../../http/lookup.ts'
import { products } from '../../routes/products.ts'
import type { Ending } from '../harness.ts'
import { call, startGateway, startService } from '../harness.ts'

type Resolved = Parameters<NonNullable<NameLookupOptions['resolve']>>[2]

/** A resolver whose replies the test triggers, with 16 threads, of which look-ups get 8. `asked`: running look-ups. */
function start(t: Ending, isLocal = (_name: string) => false) {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const asked: { hostname: string; answer: Resolved }[] = []
  const lookup = createLookup({
    threads: 16,
    isLocal,
    resolve: (hostname, _options, answer) => void asked.push({ hostname, answer })
  })
  return {
    asked: () => asked.map(({ hostname }) => hostname),
    answer(hostname: string, error: string | null, ...addresses: string[]) {
      const index = asked.findIndex(one => one.hostname === hostname)
      const [{ answer } = { answer: () => {} }] = asked.splice(index, 1)
      const found = addresses.map(address => ({ address, family: 4 }))
      answer(error === null ? null : Object.assign(new Error(error), { code: error }), found)
    },
    find: (hostname: string) => find(lookup, hostname)
  }
}

/** Resolves with the addresses, or the error's code. */
function find(lookup: LookupFunction, hostname: string, all = true): Promise<unknown> {
  return new Promise(resolve =>
    lookup(hostname, { all }, (error, found, family) =>
      resolve(
        error
          ? error.code
          : Array.isArray(found)
            ? (found as LookupAddress[]).map(({ address }) => address).join(' ')
            : [found, family]
      )
    )
  )
}

t.test('all callers share one look-up of a name', async t => {
  const { asked, answer, find } = start(t)
  const all = Array.from({ length: 50 }, () => find('orders.test'))
  t.same(asked(), ['orders.test'])
  answer('orders.test', null, '10.0.0.1', '10.0.0.2')
  t.same([...new Set(await Promise.all(all))], ['10.0.0.1 10.0.0.2'])
  const again = find('orders.test')
  t.same(asked(), ['orders.test'], 'results are not cached')
  answer('orders.test', 'ENOTFOUND')
  t.equal(await again, 'ENOTFOUND')
})

t.test('unanswered look-ups leave threads for others', async t => {
  const { asked, answer, find } = start(t, name => name === 'in-hosts.test')
  const known = find('known.test')
  answer('known.test', null, '10.0.0.1')
  await known
  const silent = Array.from({ length: 20 }, (_, i) => find(`silent-${i}.test`))
  t.equal(asked().length, 6)
  const local = find('in-hosts.test')
  const knownAgain = find('known.test')
  t.same(asked().slice(6), ['in-hosts.test', 'known.test'])
  answer('in-hosts.test', null, '10.0.0.2')
  answer('known.test', null, '10.0.0.3')
  t.equal(await local, '10.0.0.2')
  t.equal(await knownAgain, '10.0.0.3')
  mock.timers.tick(5_000)
  t.same(new Set(await Promise.all(silent)), new Set(['EAI_AGAIN']))
  t.equal(await find('silent-0.test'), 'EAI_AGAIN', 'fails at once while its look-up runs')
  t.equal(asked().length, 6)
  answer('silent-0.test', 'EAI_AGAIN')
  t.same(asked().at(-1), 'silent-6.test', 'the next look-up starts')
})

t.test('known addresses are used while no server responds', async t => {
  const { asked, answer, find } = start(t)
  const first = find('orders.test')
  answer('orders.test', null, '10.0.0.1')
  await first
  const late = find('orders.test')
  mock.timers.tick(1_000)
  t.equal(await late, '10.0.0.1')
  t.equal(await find('orders.test'), '10.0.0.1', 'returns at once')
  answer('orders.test', 'EAI_AGAIN')
  t.equal(await find('orders.test'), '10.0.0.1')
  t.same(asked(), ['orders.test'], 'the look-up is repeated')
  answer('orders.test', null, '10.0.0.9')
  const fresh = find('orders.test')
  answer('orders.test', null, '10.0.0.9')
  t.equal(await fresh, '10.0.0.9')
  const gone = find('orders.test')
  answer('orders.test', 'ENOTFOUND')
  t.equal(await gone, 'ENOTFOUND', 'ENOTFOUND is a result')
})

t.test('the system resolver is used, with its hosts file, in the format that Node expects', async t => {
  const lookup = createLookup()
  t.match(await find(lookup, 'localhost'), /127\.0\.0\.1|::1/)
  t.match(await find(lookup, 'localhost', false), [/127\.0\.0\.1|::1/, Number])
  t.match(await find(lookup, 'nowhere.invalid'), /ENOTFOUND|EAI_AGAIN/)
})

t.test('services are reached by name', async t => {
  const service = await startService(t, (_request, response) => void response.end('{}'))
  const { url } = await startGateway(t, {
    upstreams: { products: { url: service.replace('127.0.0.1', 'localhost') } },
    scopes: { products: { prefix: '/products', routes: products } }
  })
  t.equal((await call(`${url}/products/1`)).status, 200)
})
