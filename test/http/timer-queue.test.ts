import { EventEmitter, once } from 'node:events'
import t from 'tap'
import { TimerEntry, TimerQueue } from '../../http/timer-queue.ts'

class Noted extends TimerEntry {
  #note: () => void
  constructor(note: () => void) {
    super()
    this.#note = note
  }
  expire() {
    this.#note()
  }
}

t.test('entries expire once, not early, in the order of their expiry', async t => {
  const deadlines = new TimerQueue(40)
  const expired: string[] = []
  const early: string[] = []
  // Nothing else keeps the process alive.
  const up = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(up))
  await new Promise<void>(resolve => {
    const note = (name: string): Noted => {
      const due: Noted = new Noted(() => {
        expired.push(name)
        if (performance.now() < due.dueAt) early.push(name)
        if (expired.length === 4) resolve()
      })
      return due
    }
    const now = performance.now()
    deadlines.add(note('second'), now)
    deadlines.add(note('first'), now - 10)
    deadlines.add(note('fourth'), now + 20)
    deadlines.add(note('third'), now + 10)
  })
  t.same(expired, ['first', 'second', 'third', 'fourth'])
  t.same(early, [])
})

t.test('a removed entry does not expire, and may be removed again', async t => {
  const expired: number[] = []
  for (const removed of [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2], [2, 1, 0, 0]]) {
    const deadlines = new TimerQueue(5)
    expired.length = 0
    const dues = [0, 1, 2].map(i => new Noted(() => expired.push(i)))
    for (const due of dues) deadlines.add(due, performance.now())
    for (const i of removed) deadlines.remove(dues[i] as TimerEntry)
    // Expires after all others.
    const last = new Noted(() => done.emit('last'))
    const done = new EventEmitter()
    deadlines.add(last, performance.now() + 5)
    const up = setInterval(() => {}, 1_000)
    await once(done, 'last')
    clearInterval(up)
    t.same(
      expired,
      [0, 1, 2].filter(i => !removed.includes(i)),
      `without ${removed}`
    )
  }
})

t.test('an entry that is added while another expires gets its full time', async t => {
  const deadlines = new TimerQueue(1)
  const up = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(up))
  let left = 5
  await new Promise<void>(resolve => {
    const again = () => {
      if (--left === 0) resolve()
      else deadlines.add(new Noted(again), performance.now())
    }
    deadlines.add(new Noted(again), performance.now())
  })
  t.equal(left, 0)
})

t.test(
  'one that is further away than a timer reaches is waited for, not asked for again and again',
  async t => {
    const deadlines = new TimerQueue(10_000_000_000)
    const warned: string[] = []
    process.on('warning', ({ name }) => warned.push(name))
    deadlines.add(new Noted(() => t.fail('expired')), performance.now())
    await new Promise(resolve => setTimeout(resolve, 20))
    t.same(warned, [])
  }
)
