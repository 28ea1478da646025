import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { startGateway } from '../reload/processes.ts'
import type { Balancer, Pod } from './balancer.ts'

/** Seconds, as in the chart's `termination`. */
export interface Termination {
  preStop: number
  drainDelay: number
  drainTimeout: number
}

export interface RunningPod extends Pod {
  child: ChildProcess
}

/** ms between two readiness probes. */
const PROBE_INTERVAL = 1_000
/** Seconds at most until load balancers have learned of removed endpoints. */
const ENDPOINT_LAG = 5

/** Starts a gateway with one worker and adds it to the endpoints once it is ready. */
export async function startPod(
  pod: Pod,
  balancer: Balancer,
  config: string,
  env: Record<string, string>,
  { drainDelay, drainTimeout }: Termination
): Promise<RunningPod> {
  const child = await startGateway(config, {
    ...env,
    PORT: String(pod.port),
    ADMIN_PORT: String(pod.adminPort),
    WORKERS: '1',
    // Generous: a worker starts at the lowest priority beside the load.
    WORKER_START_TIMEOUT: '120000',
    DRAIN: String(drainTimeout * 1_000),
    DRAIN_DELAY: String(drainDelay * 1_000)
  })
  for (;;) {
    const { ok } = await fetch(`http://127.0.0.1:${pod.adminPort}/readyz`)
    if (ok) break
    await sleep(PROBE_INTERVAL)
  }
  await balancer.setEndpoint(pod.name, true)
  return { ...pod, child }
}

/**
 * Ends a pod as Kubernetes does. With `preStop`, the pod leaves the endpoints up to `ENDPOINT_LAG` seconds later; without,
 * only the readiness probe tells the balancer. Returns a description of what went wrong.
 */
export async function stopPod(
  { name, child }: RunningPod,
  balancer: Balancer,
  { preStop, drainDelay, drainTimeout }: Termination
): Promise<string | undefined> {
  const grace = preStop + drainDelay + drainTimeout + 5
  const startedAt = performance.now()
  const exit = once(child, 'exit') as Promise<[code: number | null, signal: string | null]>
  const lag = Math.random() * Math.min(ENDPOINT_LAG, preStop * 0.8)
  if (preStop > 0) sleep(lag * 1_000).then(() => balancer.setEndpoint(name, false))
  await sleep(preStop * 1_000)
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), (grace - preStop) * 1_000)
  const [code, signal] = await exit
  clearTimeout(kill)
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
  const way = preStop > 0 ? `out of the endpoints after ${lag.toFixed(1)} s` : 'found by the readiness probe'
  console.log(`${name}: ${way}, exit code ${code ?? signal} after ${seconds} s of ${grace} s`)
  await balancer.setEndpoint(name, false)
  return code === 0 ? undefined : `${name} exited with ${code ?? signal} after ${seconds} s`
}
