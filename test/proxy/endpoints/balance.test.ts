import t from 'tap'
import { hashOf } from '../../../proxy/endpoints/balance/hash.ts'
import { createPolicy } from '../../../proxy/endpoints/balance/index.ts'
import { seeded } from '../../random.ts'

interface Member {
  name: string
  weight: number
  inFlight: number
  hash: number
}

function members(weights: Record<string, number>): Member[] {
  return Object.entries(weights).map(([name, weight]) => ({
    name,
    weight,
    inFlight: 0,
    hash: hashOf(`http://10.0.0.1/${name}`)
  }))
}

function shares(chosen: Member[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { name } of chosen) counts[name] = (counts[name] ?? 0) + 1
  for (const name in counts) counts[name] = (counts[name] as number) / chosen.length
  return counts
}

/** Chooses `times` endpoints with different keys. */
function choose(policy: ReturnType<typeof createPolicy>, from: Member[], times: number): Member[] {
  return Array.from({ length: times }, (_, i) => policy(from, hashOf(`consumer-${i}`)))
}

t.test('round robin takes each endpoint in turn, without weights', async t => {
  const chosen = choose(createPolicy('round-robin', seeded(1)), members({ a: 5, b: 1, c: 1 }), 7)
  t.equal(chosen.map(({ name }) => name).join(''), 'abcabca')
})

t.test('round robin continues when endpoints change', async t => {
  const policy = createPolicy('round-robin', seeded(1))
  const all = members({ a: 1, b: 1, c: 1 })
  choose(policy, all, 3)
  t.equal(
    choose(policy, all.slice(0, 1), 2)
      .map(({ name }) => name)
      .join(''),
    'aa'
  )
  t.equal(new Set(choose(policy, all, 3)).size, 3)
})

t.test('weighted round robin is as smooth as in nginx', async t => {
  const chosen = choose(createPolicy('weighted', seeded(1)), members({ a: 5, b: 1, c: 1 }), 14)
  t.equal(chosen.map(({ name }) => name).join(''), 'aabacaaaabacaa')
})

t.test('least requests takes the endpoint with the fewest calls for its weight', async t => {
  const policy = createPolicy('least-requests', seeded(1))
  const all = members({ a: 1, b: 1, c: 4 })
  for (const [index, inFlight] of [2, 1, 7].entries()) (all[index] as Member).inFlight = inFlight
  t.equal(policy(all, 0).name, 'b', '1 of weight 1 is less than 7 of weight 4')
  ;(all[2] as Member).inFlight = 3
  t.equal(policy(all, 0).name, 'c', '3 of weight 4 is less than 1 of weight 1')
})

t.test('least requests takes any among equals', async t => {
  const {
    a = 0,
    b = 0,
    c = 0
  } = shares(choose(createPolicy('least-requests', seeded(2)), members({ a: 1, b: 1, c: 1 }), 30_000))
  for (const share of [a, b, c]) t.ok(Math.abs(share - 1 / 3) < 0.02, `${share}`)
})

t.test('p2c spreads by weight when there are no calls', async t => {
  for (const weights of [
    { a: 1, b: 1, c: 1 },
    { a: 3, b: 1 },
    { a: 5, b: 3, c: 2 }
  ] as Record<string, number>[]) {
    const all = members(weights)
    const total = Object.values(weights).reduce((sum, weight) => sum + weight)
    const found = shares(choose(createPolicy('p2c', seeded(3)), all, 30_000))
    for (const { name, weight } of all)
      t.ok(Math.abs((found[name] ?? 0) - weight / total) < 0.02, `${name} of ${JSON.stringify(weights)}`)
  }
})

t.test('p2c never takes the busier of two, and balances many', async t => {
  const two = members({ a: 1, b: 1 })
  ;(two[0] as Member).inFlight = 1
  t.same(shares(choose(createPolicy('p2c', seeded(4)), two, 1_000)), { b: 1 })

  // No call ends. Purely random choices would give the busiest of ten about 1,000 + 3 x 30 calls.
  const ten = members(Object.fromEntries([...'abcdefghij'].map(name => [name, 1])))
  const policy = createPolicy('p2c', seeded(5))
  for (let i = 0; i < 10_000; i++) policy(ten, 0).inFlight++
  for (const { inFlight } of ten) t.ok(Math.abs(inFlight - 1_000) <= 5, `${inFlight}`)

  const uneven = members({ a: 3, b: 1, c: 1 })
  const other = createPolicy('p2c', seeded(6))
  for (let i = 0; i < 10_000; i++) other(uneven, 0).inFlight++
  t.ok(Math.abs((uneven[0] as Member).inFlight - 6_000) < 100, 'by weight')
})

t.test('p2c takes the other one of two, and follows a new set', async t => {
  const policy = createPolicy('p2c', seeded(7))
  choose(policy, members({ a: 1, b: 1, c: 1, d: 1 }), 10)
  t.same(Object.keys(shares(choose(policy, members({ e: 1, f: 2 }), 100))).sort(), ['e', 'f'])
})

t.test('hash spreads keys by weight, and a key keeps its endpoint', async t => {
  const policy = createPolicy('hash', seeded(1))
  const all = members({ a: 1, b: 1, c: 2 })
  const chosen = choose(policy, all, 40_000)
  t.same(
    chosen.map(({ name }) => name),
    choose(createPolicy('hash', seeded(9)), all.toReversed(), 40_000).map(({ name }) => name),
    'in whatever order the endpoints are known'
  )
  const { a = 0, b = 0, c = 0 } = shares(chosen)
  t.ok(Math.abs(a - 0.25) < 0.02 && Math.abs(b - 0.25) < 0.02 && Math.abs(c - 0.5) < 0.02, `${[a, b, c]}`)
})

t.test('an endpoint that leaves or joins moves only its own keys', async t => {
  const policy = createPolicy('hash', seeded(1))
  const all = members({ a: 1, b: 1, c: 1, d: 1, e: 1 })
  const before = choose(policy, all, 10_000)
  const without = choose(policy, all.slice(0, 4), 10_000)
  t.ok(before.every((member, i) => member.name === 'e' || member === without[i]))
  const moved = before.filter((member, i) => member !== without[i]).length
  t.ok(Math.abs(moved - 2_000) < 200, `${moved} of 10,000`)

  const heavier = all.map(member => (member.name === 'a' ? { ...member, weight: 2 } : member))
  t.ok(
    choose(policy, heavier, 10_000).every((member, i) => member.name === 'a' || member === before[i]),
    'a greater weight only gains'
  )
})
