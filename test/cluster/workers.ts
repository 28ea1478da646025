import { mkdtemp, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import pino from 'pino'
import { buildAdmin } from '../../admin/admin.ts'
import type { AdminGuardOptions } from '../../admin/admin-guard.ts'
import { buildClusterAdmin } from '../../cluster/cluster-admin.ts'
import type { Cluster, ClusterWorker, ReloadOutcome } from '../../cluster/cluster-types.ts'
import { createLogLevel } from '../../cluster/log-level.ts'
import { createRetainedState, type RetainedState } from '../../cluster/retained-state.ts'
import type { GatewayDefinition } from '../../config/define-gateway.ts'
import { resolveConfig } from '../../config/resolve-config.ts'
import { buildGateway } from '../../gateway.ts'
import forward from '../../plugins/forward.ts'
import { type Ending, startService } from '../harness.ts'

export interface TestWorker extends ClusterWorker {
  url: string
  gateway: FastifyInstance
  /** Gets a message of the supervisor. */
  receive(message: unknown): void
  /** Closes as a worker does when it has drained: its last counts are the last that is heard of it. */
  end(): Promise<void>
}

export interface TestCluster {
  /** URL of the admin API of all workers. */
  admin: string
  cluster: Cluster
  kept: RetainedState
  workers: TestWorker[]
  add(state?: ClusterWorker['state']): Promise<TestWorker>
  /** As if the process had been killed. */
  kill(worker: TestWorker): void
  /** Another app, of another guard, for the same workers. */
  build(guard?: AdminGuardOptions): Promise<FastifyInstance>
}

type Definition = Partial<GatewayDefinition>

/**
 * Gateways in this process, each with its own admin side on a Unix socket, before a service that all of them forward
 * `/things/*` to; and one admin side for all of them. `reload`: what comes of one.
 */
export async function startCluster(
  t: Ending,
  size: number,
  listener: RequestListener,
  definition: Definition = {},
  reload: () => Promise<ReloadOutcome> = () => Promise.reject(new Error('nothing is reloaded here'))
): Promise<TestCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-test-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const service = await startService(t, listener)
  const workers: TestWorker[] = []
  let lastId = 0
  const cluster: Cluster = {
    workers: () =>
      workers.map(({ id, pid, generation, state, socket }) => ({ id, pid, generation, state, socket })),
    status: () => ({
      pid: process.pid,
      state: workers.some(({ state }) => state === 'ready') ? 'ready' : 'starting',
      startedAt: 0,
      generation: 1,
      isReloading: false,
      lastReload: undefined,
      crashes: { count: 0, last: undefined, nextStartAt: undefined },
      workers: cluster.workers().map(worker => ({ ...worker, startedAt: 0, connections: 0 }))
    }),
    reload,
    logLevel: createLogLevel(() => {}, pino({ level: 'silent' })),
    incidents: () => ({ reloads: [], crashes: [] })
  }
  const kept = createRetainedState(cluster, message => {
    for (const worker of workers) worker.receive(message)
  })

  async function add(state: ClusterWorker['state'] = 'ready'): Promise<TestWorker> {
    const id = ++lastId
    const routes = async (app: FastifyInstance) => {
      await app.register(forward)
      app.forward({ method: ['GET', 'POST'], url: '/*', upstream: 'things', prefix: '/things' })
    }
    const config = resolveConfig(
      {
        default: {
          log: { level: 'silent' },
          upstreams: { things: { url: service } },
          scopes: { things: { prefix: '/things', routes } },
          ...definition
        }
      },
      {}
    )
    const listeners = new Set<(message: unknown) => void>()
    const receive = (message: unknown) => {
      for (const listener of listeners) listener(message)
    }
    const channel = {
      send(message: object, _handle: undefined, _options: undefined, callback: (error: null) => void) {
        kept.take(id, message, receive)
        callback(null)
      },
      on: (_event: string, listener: (message: unknown) => void) => void listeners.add(listener),
      off: (_event: string, listener: (message: unknown) => void) => void listeners.delete(listener)
    }
    const gateway = await buildGateway(config, undefined, undefined, {
      supervisor: { channel, workers: size }
    })
    const own = await buildAdmin(gateway, () => worker.state === 'draining')
    const socket = join(directory, `${id}.sock`)
    await own.listen({ path: socket })
    const url = await gateway.listen({ port: 0, host: '127.0.0.1' })
    let hasEnded = false
    const worker: TestWorker = {
      id,
      pid: process.pid,
      generation: 1,
      state,
      socket,
      url,
      gateway,
      receive,
      async end() {
        if (hasEnded) return
        hasEnded = true
        worker.state = 'draining'
        await gateway.close()
        await own.close()
        if (workers.includes(worker)) workers.splice(workers.indexOf(worker), 1)
      }
    }
    workers.push(worker)
    t.teardown(() => worker.end())
    return worker
  }

  async function build(guard: AdminGuardOptions = { host: '127.0.0.1' }): Promise<FastifyInstance> {
    const app = await buildClusterAdmin(cluster, guard, kept)
    t.teardown(() => app.close())
    return app
  }

  for (let i = 0; i < size; i++) await add()
  const app = await build()
  return {
    admin: await app.listen({ port: 0, host: '127.0.0.1' }),
    cluster,
    kept,
    workers,
    add,
    kill: worker => void workers.splice(workers.indexOf(worker), 1),
    build
  }
}
