import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createOpossumState, type OpossumState } from '../../proxy/opossum-state.ts'
import { until } from '../until.ts'

/** Internals that the breaker relies on in opossum. */

t.test('opens and closes when told, and becomes half-open by itself', async t => {
  const { circuit, states } = start(t, 50)
  t.match(circuit, { isClosed: true, isOpen: false, isHalfOpen: false })
  circuit.open()
  t.match(circuit, { isClosed: false, isOpen: true, isHalfOpen: false })
  await until(() => circuit.isHalfOpen)
  circuit.open()
  t.ok(circuit.isOpen, 'from half-open')
  circuit.close()
  await sleep(100)
  t.ok(circuit.isClosed, 'a closed one stays closed')
  t.strictSame(states, ['open', 'half-open', 'open', 'closed'])
})

t.test('the time left replaces the reset timeout once', async t => {
  const { circuit } = start(t, 60_000)
  circuit.open(20)
  await until(() => circuit.isHalfOpen)
  circuit.open()
  await sleep(100)
  t.ok(circuit.isOpen)
})

t.test('a time left of another clock ends at once', async t => {
  const { circuit } = start(t, 1_000)
  circuit.open(1_000_000)
  await until(() => circuit.isHalfOpen, 500)
  t.pass()
})

function start(t: { teardown(end: () => unknown): void }, resetTimeout: number) {
  const states: string[] = []
  const circuit: OpossumState = createOpossumState('things', resetTimeout, state => states.push(state))
  t.teardown(() => circuit.shutdown())
  return { circuit, states }
}
