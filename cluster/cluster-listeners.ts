import type { Server, Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { isLoopbackHost } from '../admin/admin-guard.ts'
import { buildClusterAdmin } from './cluster-admin.ts'
import type { Cluster } from './cluster-types.ts'
import {
  explainListening,
  type ListenAddress,
  type Listener,
  listenForConnections,
  listenForRequests
} from './listen.ts'
import type { Settings } from './messages.ts'
import type { RetainedState } from './retained-state.ts'
import { type Inherited, startSuccessor } from './sockets.ts'
import { throttle } from './throttle.ts'

/** The gateway's listener, whose connections go to the workers, and the admin API's. */
export interface ClusterListeners {
  /**
   * Listens on the addresses of new settings.
   * @throws if an address is not available; the message is for operators, and nothing has changed
   */
  accept(settings: Settings): Promise<void>
  /**
   * Starts a new process of this program on the same sockets and resolves with its pid.
   * @throws if it does not start
   */
  handOver(): Promise<number>
  /** Stops accepting connections. Accepts those that wait in the system first. */
  closeGateway(): Promise<void>
  /** Stops accepting admin requests. Running ones continue, but for streams of events. */
  closeAdmin(): void
  close(): void
  urls(): Urls
}

/** URLs of the gateway and of its admin API, with real ports. */
export interface Urls {
  gateway: string
  admin: string
}

export function createClusterListeners(
  cluster: Cluster,
  retained: RetainedState,
  log: () => FastifyBaseLogger,
  inherited: Inherited,
  onConnection: (socket: Socket) => void
): ClusterListeners {
  let settings: Settings | undefined
  let gateway: Listener | undefined
  let admin: Listener | undefined
  let app: FastifyInstance | undefined
  const onError = throttle(1_000, (count, error: Error) =>
    log().error({ err: error, count }, 'connection could not be accepted')
  )

  return {
    async accept(next) {
      const opened: Listener[] = []
      try {
        const [gatewayBefore, adminBefore] = [gateway, admin]
        const newGateway = isElsewhere(next.listen, settings?.listen)
          ? await listenForConnections(addressOf(next.listen, 'gateway'), onConnection, onError)
          : undefined
        if (newGateway) opened.push(newGateway)
        const appBefore = app
        const isSameApp = app !== undefined && isDeepStrictEqual(next.admin, settings?.admin)
        const newApp = isSameApp ? undefined : await buildClusterAdmin(cluster, next.admin, retained, log())
        await newApp?.ready()
        const newAdmin = isElsewhere(next.admin, settings?.admin)
          ? await listenForRequests(
              addressOf(next.admin, 'admin'),
              (request, response) => app?.routing(request, response),
              onError
            )
          : undefined
        settings = next
        if (newApp) {
          app = newApp
          appBefore?.close()
        }
        if (newGateway) {
          gateway = newGateway
          gatewayBefore?.close()
        }
        if (newAdmin) {
          admin = newAdmin
          adminBefore?.close()
        }
        if (newGateway || newAdmin) {
          const { gateway, admin } = urls()
          log().info({ gateway, admin }, `listening on ${gateway}, admin API on ${admin}`)
          if (next.admin.token === undefined && !isLoopbackHost(next.admin.host))
            log().warn({ admin }, 'the admin API is open to other machines: set admin.token')
        }
      } catch (error) {
        for (const listener of opened) listener.close()
        throw new Error(explainListening(error as NodeJS.ErrnoException), { cause: error })
      }
    },
    handOver: () => startSuccessor(gateway?.server as Server, admin?.server as Server),
    async closeGateway() {
      const closing = gateway
      gateway = undefined
      await closing?.close()
    },
    closeAdmin() {
      // Readers of events then connect to the successor.
      app?.endEvents?.()
      admin?.close()
      admin = undefined
    },
    close() {
      gateway?.close()
      admin?.close()
      app?.close()
      gateway = admin = app = undefined
    },
    urls
  }

  function urls(): Urls {
    return { gateway: urlOf(gateway, settings?.listen.tls ? 'https' : 'http'), admin: urlOf(admin, 'http') }
  }

  /** Uses an inherited socket at the start only; a reload may move to another address. */
  function addressOf({ host, port }: { host: string; port: number }, name: keyof Inherited): ListenAddress {
    const fd = settings === undefined ? inherited[name] : undefined
    return fd === undefined ? { host, port } : { fd }
  }
}

/** Returns the URL of a listener, with the real port for port 0 and the address of an inherited socket. */
function urlOf(listener: Listener | undefined, scheme: string): string {
  const address = listener?.server.address()
  if (typeof address !== 'object' || address === null) return `unix:${address}`
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `${scheme}://${host}:${address.port}`
}

function isElsewhere(next: { host: string; port: number }, before?: { host: string; port: number }): boolean {
  return next.host !== before?.host || next.port !== before.port
}
