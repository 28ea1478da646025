import { EventEmitter } from 'node:events'
import t from 'tap'
import { createBreakerRelay } from '../../cluster/breaker-relay.ts'
import { createBreaker } from '../../proxy/breaker.ts'
import type { Breaker, Outcome, Permit } from '../../proxy/breaker-types.ts'
import { createSharing } from '../../proxy/shared-breakers.ts'
import type { BreakerOptions } from '../../schemas/options/upstreams.ts'
import { createClock } from '../../testing.ts'

/** Breakers of several workers and their supervisor, with a channel that can be delayed. */

const options: BreakerOptions = { failures: 5, resetTimeout: 30_000, halfOpenRequests: 3, shared: true }

/** All parts share one manual clock, like the processes of a machine. */
function startWorkers(t: Tap, overrides: Partial<BreakerOptions> = {}) {
  const clock = createClock(1_000_000)
  const waiting: (() => void)[] = []
  const channels: EventEmitter[] = []
  let isHeld = false
  const deliver = (delivery: () => void) => (isHeld ? void waiting.push(delivery) : delivery())
  const tell = (to: EventEmitter, message: object) => {
    const text = JSON.stringify(message)
    deliver(() => to.emit('message', JSON.parse(text)))
  }
  const supervisor = createBreakerRelay((message, except) => {
    for (const [id, channel] of channels.entries()) if (id !== except) tell(channel, message)
  })

  return {
    clock,
    /** Holds messages until they are released. */
    hold: () => {
      isHeld = true
    },
    release() {
      isHeld = false
      for (const delivery of waiting.splice(0)) delivery()
    },
    start(name = 'orders'): Breaker {
      const id = channels.length
      const channel = Object.assign(new EventEmitter(), {
        send(message: object, _handle: undefined, _options: undefined, done: (error: null) => void) {
          const text = JSON.stringify(message)
          deliver(() => supervisor.handle(JSON.parse(text), reply => tell(channel, reply), id))
          done(null)
        }
      })
      channels.push(channel)
      const sharing = createSharing(channel)
      const breaker = createBreaker('orders', { ...options, ...overrides }, () => {}, clock.now)
      sharing.join(name, breaker)
      t.teardown(() => {
        sharing.close()
        breaker.close()
      })
      return breaker
    }
  }
}
type Tap = { teardown(end: () => void): void }

function end(breaker: Breaker, outcome: Outcome, endpoint?: string): void {
  breaker.report(breaker.admit() as Permit, outcome, 0, endpoint)
}

for (const count of [1, 2, 8])
  t.test(`five failures in a row open the breakers of ${count} workers, and four do not`, async t => {
    const { clock, start } = startWorkers(t)
    const workers = Array.from({ length: count }, () => start())
    for (let i = 0; i < 5; i++) {
      t.same(new Set(workers.map(({ state }) => state)), new Set(['closed']), `after ${i}`)
      clock.turn(1)
      end(workers[i % count] as Breaker, 'failure')
    }
    t.same(new Set(workers.map(({ state }) => state)), new Set(['open']))
    t.equal(
      workers.reduce((sum, breaker) => sum + breaker.counts().failures, 0),
      5
    )
  })

t.test('a success in one worker ends the run of failures of all', async t => {
  const { clock, start } = startWorkers(t)
  const [one, other] = [start(), start()]
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 4; i++) {
      clock.turn(1)
      end(i % 2 ? one : other, 'failure')
    }
    clock.turn(1)
    end(round % 2 ? one : other, 'success')
  }
  t.equal(one.state, 'closed')
  t.equal(other.state, 'closed')
})

t.test('results count in order of their end, however late they arrive', async t => {
  const { clock, start, hold, release } = startWorkers(t)
  const [one, other] = [start(), start()]
  hold()
  for (let i = 0; i < 4; i++) {
    clock.turn(1)
    end(one, 'failure')
  }
  clock.turn(1)
  // This worker does not know the failures yet.
  end(other, 'success')
  clock.turn(1)
  end(one, 'failure')
  t.equal(one.state, 'open', 'decisions do not wait for other workers')
  release()
  t.equal(other.state, 'open')

  const again = startWorkers(t)
  const [first, second] = [again.start(), again.start()]
  again.hold()
  for (let i = 0; i < 4; i++) {
    again.clock.turn(1)
    end(first, 'failure')
  }
  again.clock.turn(1)
  end(second, 'success')
  again.release()
  again.clock.turn(1)
  end(first, 'failure')
  t.equal(first.state, 'closed', 'the success was reported by a worker that knew the failures')
  for (let i = 0; i < 4; i++) {
    again.clock.turn(1)
    end(second, 'failure')
  }
  t.equal(first.state, 'open', 'one and four after the success')
})

t.test('failures of one endpoint do not open it in any worker', async t => {
  const { clock, start } = startWorkers(t)
  const [one, other] = [start(), start()]
  for (let i = 0; i < 20; i++) {
    clock.turn(1)
    end(i % 2 ? one : other, 'failure', 'http://first')
  }
  t.equal(one.state, 'closed')
  end(other, 'failure', 'http://second')
  t.equal(one.state, 'open')
})

t.test('a rate covers the calls of all workers', async t => {
  const { clock, start } = startWorkers(t, {
    failures: 1_000,
    rate: { ratio: 0.5, minimumCalls: 10, window: 10_000 }
  })
  const [one, other] = [start(), start()]
  for (let i = 0; i < 4; i++) {
    end(one, 'success')
    end(other, 'failure')
  }
  clock.turn(200)
  end(one, 'success')
  t.equal(other.state, 'closed')
  end(other, 'failure')
  t.equal(other.state, 'open')
  t.equal(one.state, 'open')
})

t.test('a starting worker knows open breakers and failures in a row', async t => {
  const { clock, start } = startWorkers(t)
  const one = start()
  for (let i = 0; i < 4; i++) {
    clock.turn(1)
    end(one, 'failure')
  }
  const second = start()
  clock.turn(1)
  end(second, 'failure')
  t.equal(one.state, 'open')
  clock.turn(20_000)
  const third = start()
  t.equal(third.state, 'open')
  t.equal(third.retryAfter(), 10)
  t.equal(start('orders elsewhere').state, 'closed', 'a moved upstream starts closed')
})

t.test('a worker with an unconfirmed change ignores older ones', async t => {
  const { clock, start, hold, release } = startWorkers(t)
  const [one, other] = [start(), start()]
  hold()
  for (let i = 0; i < 5; i++) {
    clock.turn(1)
    end(one, 'failure')
    end(other, 'failure')
  }
  one.follow(0)
  release()
  t.equal(one.state, other.state)
})

for (const [what, trial] of Object.entries({ settled: 'success', refused: 'answered' } as const))
  t.test(`half-open requests are counted across workers: ${what}`, async t => {
    const { clock, start } = startWorkers(t, { resetTimeout: 10 })
    const workers = [start(), start()]
    for (let i = 0; i < 5; i++) {
      clock.turn(1)
      end(workers[0] as Breaker, 'failure')
    }
    const alive = setInterval(() => {}, 1_000)
    t.teardown(() => clearInterval(alive))
    while (workers.some(({ state }) => state === 'open')) await new Promise(setImmediate)
    const permits = workers.map(breaker => breaker.admit() as Permit)
    const third = workers[0]?.admit() as Permit
    t.equal(workers[0]?.admit(), undefined, 'three half-open requests, not three per worker')
    t.equal(workers[1]?.admit(), undefined)
    workers[1]?.report(permits[1] as Permit, trial)
    workers[0]?.report(third, trial)
    t.equal(workers[1]?.state, 'half-open')
    workers[0]?.report(permits[0] as Permit, trial)
    t.same(
      workers.map(({ state }) => state),
      ['closed', 'closed']
    )
  })

t.test('messages of a worker are bounded, and none are sent while calls succeed', async t => {
  const { start, clock } = startWorkers(t, { failures: 100_000 })
  const one = start()
  const heard: unknown[] = []
  const other = start()
  const { hear } = other
  other.hear = outcomes => {
    heard.push(outcomes)
    hear(outcomes)
  }
  for (let i = 0; i < 1_000; i++) end(one, 'success')
  t.equal(heard.length, 0)
  for (let i = 0; i < 1_000; i++) {
    clock.turn(1)
    end(one, i % 2 ? 'success' : 'failure')
  }
  t.ok(heard.length <= 32, String(heard.length))
})
