import type { UpstreamState } from '../../proxy/upstream.ts'
import { type Measured, startGateway, startScript } from '../process.ts'

export interface GatewayState {
  /** Calls made, by the route's pattern. */
  attempts: Record<string, number>
  /** Connections of clients. */
  clients: number
  memory: NodeJS.MemoryUsage
  upstreams: UpstreamState[]
}

/** A gateway process of a config without scopes: see gateway.ts. */
export function startGatewayProcess(config: object): Promise<Measured> {
  return startGateway('faults/gateway.ts', { GATEWAY: JSON.stringify(config) }, ['--expose-gc'])
}

/** A service process: see service.ts. */
export function startServiceProcess(options: object = {}): Promise<Measured> {
  return startScript('faults/service.ts', { SERVICE: JSON.stringify(options) }, 1)
}

/** What a process says of itself; with `collect`, once it has given back what it does not need. */
export function ask<State>({ child }: Measured, collect = false): Promise<State> {
  const own = Math.random()
  return new Promise(resolve => {
    child.on('message', function hear({ to, answer }: { to?: number; answer: State }) {
      if (to !== own) return
      child.off('message', hear)
      resolve(answer)
    })
    child.send({ ask: own, collect })
  })
}
