import type { FastifyBaseLogger } from 'fastify'
import type { UpstreamOptions } from '../../schemas/upstream.ts'
import type { Exchange } from '../exchange.ts'
import type { Headers } from './call.ts'
import { createEndpoint, type Endpoint } from './endpoint.ts'

export interface EndpointState {
  url: string
  inFlight: number
}

export interface Endpoints {
  /**
   * The endpoint for this request; `tried`: those that have failed it already, avoided if any other is left. Undefined
   * only if there is none at all.
   */
  pick(request: { exchange: Exchange; headers: Headers }, tried?: readonly Endpoint[]): Endpoint | undefined
  state(): EndpointState[]
  close(): Promise<void>
}

export function createEndpoints(_name: string, options: UpstreamOptions, _log: FastifyBaseLogger): Endpoints {
  const endpoint = createEndpoint(options.url, options)
  return {
    pick: () => endpoint,
    state: () => [{ url: endpoint.url, inFlight: endpoint.inFlight }],
    close: () => endpoint.dispatcher.destroy()
  }
}
