import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Measured, stop } from '../process.ts'
import { connectionsOf, exchange, isWhole, type Seen, type Way } from './client.ts'
import type { FaultName } from './faults.ts'
import { type Injector, startInjector } from './injector.ts'
import { ask, type GatewayState, startGatewayProcess } from './processes.ts'

/** Milliseconds: the exchange's, and how long connections may take to be closed after it. */
export const DEADLINE = 2_000
const SETTLE = 4_000

/** The upstream as it is by default; or one endpoint of three at fault, that is asked first, and retries. */
export type Setup = 'one' | 'three'

/** What one fault comes to in one way. */
export interface Cell extends Pick<Seen, 'status' | 'ms'> {
  fault: FaultName
  way: Way
  calls: number
  /** What the breaker counted. */
  breaker: 'success' | 'failure' | 'nothing'
  /** Connections that are left to the service, and from the client. */
  service: { idle: number; busy: number }
  client: { idle: number; busy: number }
  /** What is not as it must be. */
  wrong: string[]
}

/**
 * Every fault in every way, before one gateway process, in which each has an upstream of its own. `late`: ms by which the
 * end of an exchange may be seen after its deadline, on a machine that is busy.
 */
export async function runCells(
  setup: Setup,
  faults: readonly FaultName[],
  ways: readonly Way[],
  late = 1_000
): Promise<Cell[]> {
  const wells = await Promise.all([startInjector('none'), startInjector('none'), startInjector('none')])
  const [well, ...others] = wells as [Injector, ...Injector[]]
  const todo = await Promise.all(
    faults.flatMap((fault, i) =>
      ways.map(async way => ({ name: `f${i}-${way}`, fault, way, injector: await startInjector(fault) }))
    )
  )
  const upstreams = Object.fromEntries(
    todo.map(({ name, injector: { url } }) => [
      name,
      setup === 'one'
        ? { url }
        : {
            endpoints: [{ url }, ...others.map(({ url }) => ({ url }))],
            balance: { policy: 'round-robin' },
            timeout: 500,
            retry: {}
          }
    ])
  )
  const gateway = await startGatewayProcess({
    deadline: DEADLINE,
    bodyLimit: 16_777_216,
    upstreams: { well: { url: well.url }, ...upstreams }
  })
  const agents: Agent[] = []
  const cells: Cell[] = []
  try {
    // What a new process is slow at is not what is looked at.
    for (const way of ['small', 'large', 'upload'] as const)
      await exchange(`${gateway.url}/well`, way, new Agent())
    for (const fault of faults)
      cells.push(...(await Promise.all(todo.filter(each => each.fault === fault).map(runCell))))
    return cells
  } finally {
    for (const agent of agents) agent.destroy()
    await Promise.all([
      stop(gateway),
      ...todo.map(({ injector }) => injector.close()),
      ...wells.map(each => each.close())
    ])
  }

  async function runCell({ name, fault, way, injector }: (typeof todo)[number]): Promise<Cell> {
    const agent = new Agent({ keepAlive: true })
    agents.push(agent)
    const seen = await exchange(`${gateway.url}/${name}`, way, agent)
    const end = Date.now() + SETTLE
    const isLeft = () => injector.left().busy + connectionsOf(agent).busy > 0
    while (isLeft() && Date.now() < end) await sleep(20)
    let counts = await countsOf(gateway, name, way)
    // Told when all is over, which may be after the client has it.
    while ((counts.breaker === 'nothing' || counts.calls < 1) && Date.now() < end)
      counts = await countsOf(gateway, name, way)
    const { calls, breaker } = counts
    const { status, ms } = seen
    const cell: Cell = {
      fault,
      way,
      status,
      ms,
      calls,
      breaker,
      service: injector.left(),
      client: connectionsOf(agent),
      wrong: []
    }
    if (status === 200 && !isWhole(way, seen)) cell.wrong.push('not the answer')
    cell.wrong.push(...faultsOf(setup, cell, late))
    return cell
  }
}

async function countsOf(gateway: Measured, name: string, way: Way): Promise<Pick<Cell, 'calls' | 'breaker'>> {
  const { attempts, upstreams } = await ask<GatewayState>(gateway)
  const route = way === 'optional' || way === 'required' ? way : '*'
  const { successes = 0, failures = 0 } = upstreams.find(upstream => upstream.name === name)?.breaker ?? {}
  return {
    // A composition's other part is one.
    calls: (attempts[`/${name}/${route}`] ?? 0) - (route === '*' ? 0 : 1),
    breaker: failures > 0 ? 'failure' : successes > 0 ? 'success' : 'nothing'
  }
}

/** Of which the client gets the answer, and which are no failures. */
const HARMLESS: readonly FaultName[] = [
  'none',
  'garbage after the answer',
  'answer before the request was read'
]
/** Nothing has been sent, so even a POST may be sent elsewhere. */
const UNSENT: readonly FaultName[] = ['refuse', 'full backlog']
/** After the head: nothing that was begun can be begun anew. */
const LATER: readonly FaultName[] = [
  'hang after the head',
  'trickle after the head',
  'truncate',
  'truncate, chunked',
  'FIN in the body'
]

function faultsOf(
  setup: Setup,
  { fault, way, status, ms, calls, breaker, service, client }: Cell,
  late: number
): string[] {
  const isHarmless = HARMLESS.includes(fault)
  const wrong: string[] = []
  const must = (holds: boolean, what: string) => void (holds || wrong.push(what))
  must(status !== 'none' && status !== 500, 'no answer of the gateway')
  must(ms <= DEADLINE + late, 'later than the deadline')
  must(service.busy === 0, 'a connection to the service is left')
  must(client.busy === 0, "a client's connection is left in use")
  must(calls >= 1 && calls <= 2, 'more calls than there may be')
  if (isHarmless || way === 'optional') must(status === 200, 'a failure where there was none')
  else if (setup === 'one') must(status !== 200, 'no failure where there was one')
  if (setup === 'one')
    must(breaker === (isHarmless ? 'success' : 'failure'), 'the breaker counts another thing')
  // A second endpoint answers what the first did not, but for what may have been done by then.
  else if ((way !== 'upload' || UNSENT.includes(fault)) && !LATER.includes(fault) && fault !== 'garbage') {
    must(status === 200, 'the other endpoints would have answered')
    must(breaker === 'success', 'the breaker counts another thing')
  }
  return wrong
}
