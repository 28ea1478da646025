import type { Server, Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { buildClusterAdmin } from './cluster-admin.ts'
import type { Cluster } from './cluster-types.ts'
import type { Kept } from './ended-workers.ts'
import {
  explainListening,
  type Listener,
  listenForConnections,
  listenForRequests,
  type Place
} from './listeners.ts'
import type { Settings } from './messages.ts'
import { type Inherited, startSuccessor } from './sockets.ts'
import { rarely } from './throttle.ts'

/** Both listeners: that of the gateway, whose connections go to the workers, and that of the operators. */
export interface Front {
  /** Listens where the config says by now. @throws why that cannot be, for people; all is as it was then. */
  accept(settings: Settings): Promise<void>
  /** Starts another process of this program on the same sockets. Resolves with its pid. @throws if it does not start. */
  handOver(): Promise<number>
  /** Those that have come are taken. */
  closeGateway(): Promise<void>
  /** What is under way there goes on. */
  closeAdmin(): void
  close(): void
}

export function createFront(
  cluster: Cluster,
  kept: Kept,
  log: () => FastifyBaseLogger,
  inherited: Inherited,
  onConnection: (socket: Socket) => void
): Front {
  let settings: Settings | undefined
  let gateway: Listener | undefined
  let admin: Listener | undefined
  let app: FastifyInstance | undefined
  const onError = rarely(1_000, (count, error: Error) =>
    log().error({ err: error, count }, 'a connection could not be accepted')
  )

  return {
    async accept(next) {
      const opened: Listener[] = []
      try {
        const [gatewayBefore, adminBefore] = [gateway, admin]
        const newGateway = isElsewhere(next.listen, settings?.listen)
          ? await listenForConnections(placeOf(next.listen, 'gateway'), onConnection, onError)
          : undefined
        if (newGateway) opened.push(newGateway)
        const appBefore = app
        const isGuarded =
          app !== undefined &&
          next.admin.host === settings?.admin.host &&
          next.admin.token === settings.admin.token
        const newApp = isGuarded ? undefined : await buildClusterAdmin(cluster, next.admin, kept, log())
        await newApp?.ready()
        const newAdmin = isElsewhere(next.admin, settings?.admin)
          ? await listenForRequests(
              placeOf(next.admin, 'admin'),
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
          const urls = {
            gateway: urlOf(gateway, next.listen.tls ? 'https' : 'http'),
            admin: urlOf(admin, 'http')
          }
          log().info(urls, `listening on ${urls.gateway}, admin API on ${urls.admin}`)
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
      admin?.close()
      admin = undefined
    },
    close() {
      gateway?.close()
      admin?.close()
      app?.close()
      gateway = admin = app = undefined
    }
  }

  /** What was handed over is used once, at the start; a reload may move away from it. */
  function placeOf({ host, port }: { host: string; port: number }, name: keyof Inherited): Place {
    const fd = settings === undefined ? inherited[name] : undefined
    return fd === undefined ? { host, port } : { fd }
  }
}

/** Returns the URL of a listener: the real port for port 0, and the address of a socket that was handed over. */
function urlOf(listener: Listener | undefined, scheme: string): string {
  const address = listener?.server.address()
  if (typeof address !== 'object' || address === null) return `unix:${address}`
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `${scheme}://${host}:${address.port}`
}

function isElsewhere(next: { host: string; port: number }, before?: { host: string; port: number }): boolean {
  return next.host !== before?.host || next.port !== before.port
}
