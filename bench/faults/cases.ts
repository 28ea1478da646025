import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type MeasuredProcess, stop } from '../process.ts'
import { connectionsOf, type Delivery, isComplete, type ObservedResponse, sendRequest } from './client.ts'
import type { FaultName } from './faults.ts'
import { type FaultyService, startFaultyService } from './faulty-service.ts'
import { ask, type GatewayState, startGatewayProcess } from './processes.ts'

/** The gateway's deadline in milliseconds. */
export const DEADLINE = 2_000
/** Milliseconds for connections to close after the exchange. */
const SETTLE = 4_000

/** `one`: one endpoint, default options. `three`: the faulty endpoint is tried first, with retries. */
export type Topology = 'one' | 'three'

/** The result of one fault with one delivery. */
export interface FaultResult extends Pick<ObservedResponse, 'status' | 'ms'> {
  fault: FaultName
  delivery: Delivery
  calls: number
  /** The outcome that the breaker counted. */
  breaker: 'success' | 'failure' | 'nothing'
  /** Connections left between gateway and service. */
  upstreamSide: { idle: number; busy: number }
  /** Connections left between client and gateway. */
  clientSide: { idle: number; busy: number }
  /** Rules that the gateway broke. */
  violations: string[]
}

/**
 * Runs every fault with every delivery against one gateway process with an upstream per case.
 * @param slack milliseconds that an exchange may end after its deadline on a busy machine
 */
export async function runCases(
  topology: Topology,
  faults: readonly FaultName[],
  deliveries: readonly Delivery[],
  slack = 1_000
): Promise<FaultResult[]> {
  const healthy = await Promise.all([
    startFaultyService('none'),
    startFaultyService('none'),
    startFaultyService('none')
  ])
  const [healthyPart, ...others] = healthy as [FaultyService, ...FaultyService[]]
  const cases = await Promise.all(
    faults.flatMap((fault, i) =>
      deliveries.map(async delivery => ({
        name: `f${i}-${delivery}`,
        fault,
        delivery,
        service: await startFaultyService(fault)
      }))
    )
  )
  const upstreams = Object.fromEntries(
    cases.map(({ name, service: { url } }) => [
      name,
      topology === 'one'
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
    upstreams: { healthy: { url: healthyPart.url }, ...upstreams }
  })
  const agents: Agent[] = []
  const results: FaultResult[] = []
  try {
    // Warm up: the first exchanges of a process are slow.
    for (const delivery of ['small', 'large', 'upload'] as const)
      await sendRequest(`${gateway.url}/healthy`, delivery, new Agent())
    for (const fault of faults)
      results.push(...(await Promise.all(cases.filter(each => each.fault === fault).map(runCase))))
    return results
  } finally {
    for (const agent of agents) agent.destroy()
    await Promise.all([
      stop(gateway),
      ...cases.map(({ service }) => service.close()),
      ...healthy.map(each => each.close())
    ])
  }

  async function runCase({ name, fault, delivery, service }: (typeof cases)[number]): Promise<FaultResult> {
    const agent = new Agent({ keepAlive: true })
    agents.push(agent)
    const response = await sendRequest(`${gateway.url}/${name}`, delivery, agent)
    const end = Date.now() + SETTLE
    const isBusy = () => service.open().busy + connectionsOf(agent).busy > 0
    while (isBusy() && Date.now() < end) await sleep(20)
    let counts = await countsOf(gateway, name, delivery)
    // The gateway counts an exchange at its end, which may be after the client has the response.
    while ((counts.breaker === 'nothing' || counts.calls < 1) && Date.now() < end)
      counts = await countsOf(gateway, name, delivery)
    const { status, ms } = response
    const result = {
      fault,
      delivery,
      status,
      ms,
      ...counts,
      upstreamSide: service.open(),
      clientSide: connectionsOf(agent)
    }
    const violations = violationsOf(topology, result, slack)
    if (status === 200 && !isComplete(delivery, response)) violations.push("not the service's response")
    return { ...result, violations }
  }
}

async function countsOf(
  gateway: MeasuredProcess,
  name: string,
  delivery: Delivery
): Promise<Pick<FaultResult, 'calls' | 'breaker'>> {
  const { attempts, upstreams } = await ask<GatewayState>(gateway)
  const isPart = delivery === 'optional' || delivery === 'required'
  const { successes = 0, failures = 0 } = upstreams.find(upstream => upstream.name === name)?.breaker ?? {}
  return {
    // The healthy part of the composition is one attempt.
    calls: (attempts[`/${name}/${isPart ? delivery : '*'}`] ?? 0) - (isPart ? 1 : 0),
    breaker: failures > 0 ? 'failure' : successes > 0 ? 'success' : 'nothing'
  }
}

/** Faults after which the client gets the response, and which are no failures. */
const HARMLESS: readonly FaultName[] = [
  'none',
  'garbage after the response',
  'response before the request was read'
]
/** Faults before anything was sent: even a POST can be retried. */
const BEFORE_SENDING: readonly FaultName[] = ['refuse', 'full backlog']
/** Faults after the response headers, when it is too late for a retry. */
const AFTER_HEADERS: readonly FaultName[] = [
  'hang after the headers',
  'trickle after the headers',
  'truncate',
  'truncate, chunked',
  'FIN in the body'
]

function violationsOf(
  topology: Topology,
  { fault, delivery, status, ms, calls, breaker, upstreamSide, clientSide }: Omit<FaultResult, 'violations'>,
  slack: number
): string[] {
  const isHarmless = HARMLESS.includes(fault)
  const violations: string[] = []
  const expect = (holds: boolean, violation: string) => void (holds || violations.push(violation))
  expect(status !== 'none' && status !== 500, 'no response of the gateway')
  expect(ms <= DEADLINE + slack, 'later than the deadline')
  expect(upstreamSide.busy === 0, 'a connection to the service is still in use')
  expect(clientSide.busy === 0, "a client's connection is still in use")
  expect(calls >= 1 && calls <= 2, 'too many calls')
  if (isHarmless || delivery === 'optional') expect(status === 200, 'an unexpected failure')
  else if (topology === 'one') expect(status !== 200, 'an unexpected success')
  if (topology === 'one')
    expect(breaker === (isHarmless ? 'success' : 'failure'), 'the breaker counted the wrong outcome')
  else if (isRetriable(fault, delivery)) {
    expect(status === 200, 'no retry at another endpoint')
    expect(breaker === 'success', 'the breaker counted the wrong outcome')
  }
  return violations
}

function isRetriable(fault: FaultName, delivery: Delivery): boolean {
  if (AFTER_HEADERS.includes(fault) || fault === 'garbage') return false
  return delivery !== 'upload' || BEFORE_SENDING.includes(fault)
}
