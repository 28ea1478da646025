import { mock } from 'node:test'
import t from 'tap'
import { startHeartbeat } from '../../cluster/heartbeat.ts'
import type { Ending } from '../harness.ts'

/** A heartbeat with a timeout of 1,000 ms, so that it looks each 100 ms, on a clock of its own. */
function start(t: Ending) {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  let time = 0
  const seen: string[] = []
  const heartbeat = startHeartbeat({
    timeout: 1_000,
    now: () => time,
    ping: () => void seen.push('ping'),
    onChange: () => void seen.push(heartbeat.isResponsive ? 'responsive' : 'unresponsive'),
    onHung: () => void seen.push('hung')
  })
  t.teardown(heartbeat.stop)
  return {
    heartbeat,
    /** All that happened since it was called last. */
    seen: () => seen.splice(0),
    /** `late`: milliseconds by which each look comes too late. */
    pass(ms: number, late = 0) {
      for (let passed = 0; passed < ms; passed += 100) {
        time += 100 + late
        mock.timers.tick(100)
      }
    }
  }
}

t.test('one ping per tick is sent, and one at a time', async t => {
  const { heartbeat, seen, pass } = start(t)
  for (let i = 0; i < 20; i++) {
    pass(100)
    heartbeat.pong(false)
  }
  t.same(seen(), Array(20).fill('ping'))
})

t.test('a worker without pongs becomes unresponsive, then hung, once', async t => {
  const { heartbeat, seen, pass } = start(t)
  pass(200)
  t.same(seen(), ['ping'])
  pass(100)
  t.same(seen(), ['unresponsive'])
  pass(700)
  t.same(seen(), [])
  pass(100)
  t.same(seen(), ['hung'])
  pass(5_000)
  t.same(seen(), [])
  t.equal(heartbeat.isResponsive, false)
})

t.test('a pong makes a worker responsive again', async t => {
  const { heartbeat, seen, pass } = start(t)
  for (let i = 0; i < 3; i++) {
    pass(900)
    t.same(seen(), ['ping', 'unresponsive'])
    heartbeat.pong(false)
    t.same(seen(), ['responsive'])
  }
})

t.test('time in which the supervisor was stopped does not count', async t => {
  const { seen, pass } = start(t)
  pass(100)
  pass(200, 3_600_000)
  t.same(seen(), ['ping', 'unresponsive'])
  pass(700, 3_600_000)
  t.same(seen(), [])
  pass(100)
  t.same(seen(), ['hung'])
})

t.test('a debugged worker never counts as hung', async t => {
  const { heartbeat, seen, pass } = start(t)
  pass(100)
  heartbeat.pong(true)
  pass(60_000)
  t.same(seen(), ['ping', 'ping'])
})

t.test('a timeout of 0 sends no pings', async t => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const fail = () => t.fail('nothing is to be called')
  startHeartbeat({ timeout: 0, ping: fail, onChange: fail, onHung: fail })
  mock.timers.tick(60_000)
})
