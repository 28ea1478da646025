import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { watchParents } from './cluster/parents.ts'
import { inheritedSockets, READY } from './cluster/sockets.ts'
import { type Supervisor, startSupervisor } from './cluster/supervisor.ts'

/** Milliseconds within which two signals count as one. */
const SAME_SIGNAL = 500
/** Milliseconds. A longer timer would fire at once. */
const MAX_TIMER = 2_147_483_647

/** The process: arguments, environment, signals. What cannot start says why, in words, and exits with 1. */
if (import.meta.main) {
  try {
    const { values } = parseArgs({ options: { config: { type: 'string', default: 'fastify.config.ts' } } })
    await start(values)
  } catch (error) {
    console.error((error as Error).message)
    process.exit(1)
  }
}

/** Runs the gateway of a config file until the process is told to stop. Resolves once it listens. */
export async function start({ config: file }: { config: string }): Promise<void> {
  let supervisor: Supervisor | undefined
  let isReloadDue = false
  let toldAt: number | undefined
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
  // A successor must outlive the process that started it.
  if (script === 'npx' && inherited.gateway === undefined) watchParents(() => toldAt ?? stop('SIGTERM'))

  supervisor = await startSupervisor({
    file,
    workers: numberOf('WORKERS', availableParallelism(), 1),
    startTimeout: numberOf('WORKER_START_TIMEOUT', 30_000, 1),
    warmUp: numberOf('WORKER_WARM_UP', 5_000, 0),
    hangTimeout: numberOf('WORKER_HANG_TIMEOUT', 10_000, 1_000, 0),
    inherited
  })
  if (isReloadDue) supervisor.reload()
  // Who has started it may have gone by now.
  process.send?.(READY, undefined, undefined, () => {})

  /** Gently, or at once if told twice. */
  async function stop(signal: NodeJS.Signals): Promise<void> {
    // A Ctrl-C comes from the terminal and once more from npm.
    if (toldAt !== undefined && script !== undefined && performance.now() - toldAt < SAME_SIGNAL) return
    if (toldAt !== undefined) supervisor?.kill()
    // Workers that have not started yet see that they are alone.
    if (toldAt !== undefined || supervisor === undefined) process.exit(1)
    toldAt = performance.now()
    supervisor.log().info({ signal }, 'the gateway stops')
    const isGentle = await supervisor.stop()
    process.exit(isGentle ? 0 : 1)
  }
}

/** `off`: a number below the minimum that is accepted too. */
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
