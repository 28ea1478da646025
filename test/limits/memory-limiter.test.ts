import t from 'tap'
import { createTier, type Decision, type Limiter } from '../../limits/limiter.ts'
import { LruIndex } from '../../limits/lru-index.ts'
import { createMemoryLimiter } from '../../limits/memory-limiter.ts'
import { seeded } from '../random.ts'

const tierOf = (name: string, ...algorithms: ('sliding-window' | 'sliding-log')[]) =>
  createTier(name, {
    counting: 'exact',
    onRedisDown: 'local',
    limits: algorithms.map((algorithm, i) => ({ limit: 2, window: 1_000 * (i + 1), algorithm }))
  })

function ask(limiter: Limiter, key: string, tier: ReturnType<typeof tierOf>): boolean {
  let answer: Decision = []
  limiter.check(key, tier, 1, (_error, decision) => {
    answer = decision as Decision
  })
  return answer.every(state => state.allowed)
}

t.test('a key keeps its index until as many others were used since', async t => {
  const random = seeded(7)
  for (const max of [1, 2, 3, 10]) {
    const slots = new LruIndex(max)
    // Least recently used first.
    const model: [key: string, slot: number][] = []
    for (let i = 0; i < 5_000; i++) {
      const key = `k${Math.floor(random() * max * 2)}`
      const known = model.findIndex(([one]) => one === key)
      const slot = slots.find(key)
      if (known === -1) {
        t.equal(slot, -1) || t.bailout(`${key} is there`)
        const [, freed] = model.length === max ? (model.shift() as [string, number]) : ['', model.length]
        t.equal(slots.add(key), freed) || t.bailout(`${key} got another's slot`)
        model.push([key, freed])
      } else {
        t.equal(slot, model[known]?.[1]) || t.bailout(`${key} has lost its slot`)
        model.push(...model.splice(known, 1))
      }
    }
  }
})

t.test('a key that takes the index of another starts at zero, also from another tier', async t => {
  const tiers = [
    tierOf('a', 'sliding-window', 'sliding-log'),
    tierOf('b', 'sliding-log'),
    tierOf('c', 'sliding-log', 'sliding-window'),
    tierOf('d', 'sliding-window')
  ]
  const limiter = createMemoryLimiter(1, () => 1_000_000, 2)
  for (const first of tiers)
    for (const second of tiers) {
      for (const expected of [true, true, false]) t.equal(ask(limiter, `${second.name}1`, first), expected)
      for (const expected of [true, true, false]) t.equal(ask(limiter, `${first.name}2`, second), expected)
    }
})
