import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { collectGarbage } from './cluster/collect-garbage.ts'
import { watchParents } from './cluster/parents.ts'
import { inheritedSockets, READY } from './cluster/sockets.ts'
import { type Supervisor, startSupervisor } from './cluster/supervisor.ts'

/** ms within which two signals count as one. */
const SAME_SIGNAL = 500
/** ms. Node fires longer timers at once. */
const MAX_TIMER = 2_147_483_647

// Entry of the process: prints a reason and exits with 1 if the gateway cannot start.
if (import.meta.main) {
  try {
    const { values } = parseArgs({ options: { config: { type: 'string', default: 'fastify.config.ts' } } })
    await start(values)
  } catch (error) {
    console.error((error as Error).message)
    process.exit(1)
  }
}

/** Runs the gateway of a config file until a signal stops the process. Resolves when it listens. */
export async function start({ config: file }: { config: string }): Promise<void> {
  let supervisor: Supervisor | undefined
  let isReloadDue = false
  let stoppedAt: number | undefined
  const { npm_lifecycle_event: script } = process.env
  const inherited = inheritedSockets(process.env)

  process.on('SIGHUP', () => {
    if (supervisor === undefined) isReloadDue = true
    else supervisor.reload()
  })
  process.on('SIGUSR2', async () => {
    if (await supervisor?.handOver()) process.exit(0)
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop)
  // A process that took over sockets must outlive its parent.
  if (script === 'npx' && inherited.gateway === undefined) watchParents(() => stoppedAt ?? stop('SIGTERM'))

  supervisor = await startSupervisor({
    file,
    workers: numberOf('WORKERS', availableParallelism(), 1),
    startTimeout: numberOf('WORKER_START_TIMEOUT', 30_000, 1),
    warmUp: numberOf('WORKER_WARM_UP', 5_000, 0),
    hangTimeout: numberOf('WORKER_HANG_TIMEOUT', 10_000, 1_000, 0),
    inherited
  })
  if (isReloadDue) supervisor.reload()
  // The parent may have ended.
  process.send?.(READY, undefined, undefined, () => {})
  collectGarbage()

  /** Drains; a second signal ends everything at once. */
  async function stop(signal: NodeJS.Signals): Promise<void> {
    // npm forwards the SIGINT of a Ctrl-C that the terminal has already sent.
    if (stoppedAt !== undefined && script !== undefined && performance.now() - stoppedAt < SAME_SIGNAL) return
    if (stoppedAt !== undefined) supervisor?.kill()
    // Workers that are starting exit when their channel closes.
    if (stoppedAt !== undefined || supervisor === undefined) process.exit(1)
    stoppedAt = performance.now()
    supervisor.log().info({ signal }, 'stopping')
    const isGentle = await supervisor.stop()
    process.exit(isGentle ? 0 : 1)
  }
}

/** @param off a value below the minimum that is accepted too */
function numberOf(name: string, otherwise: number, minimum: number, off?: number): number {
  const text = process.env[name]
  if (!text) return otherwise
  const number = Number(text)
  if (number === off) return number
  if (!Number.isInteger(number) || number < minimum || number > MAX_TIMER) {
    const range = number > MAX_TIMER ? `${minimum} to ${MAX_TIMER}` : `${minimum}`
    throw new Error(`${name} must be ${off === undefined ? '' : `${off} or `}an integer from ${range}`)
  }
  return number
}
