import type { UpstreamState } from '../../proxy/upstream-types.ts'
import { type MeasuredProcess, startGateway, startScript } from '../process.ts'

export interface GatewayState {
  /** Attempts by the URL pattern of the route. */
  attempts: Record<string, number>
  memory: NodeJS.MemoryUsage
  upstreams: UpstreamState[]
}

/** Starts a gateway process from a config without scopes; see gateway.ts. */
export function startGatewayProcess(config: object): Promise<MeasuredProcess> {
  return startGateway('faults/gateway.ts', { GATEWAY: JSON.stringify(config) }, ['--expose-gc'])
}

/** Starts a service process; see service.ts. */
export function startServiceProcess(options: object = {}): Promise<MeasuredProcess> {
  return startScript('faults/service.ts', { SERVICE: JSON.stringify(options) }, 1)
}

/** Returns the state of a process, after a full garbage collection if `collectGarbage` is true. */
export function ask<State>({ child }: MeasuredProcess, collectGarbage = false): Promise<State> {
  const id = Math.random()
  return new Promise(resolve => {
    child.on('message', function onMessage(message: { id?: number; state: State }) {
      if (message.id !== id) return
      child.off('message', onMessage)
      resolve(message.state)
    })
    child.send({ id, collectGarbage })
  })
}
