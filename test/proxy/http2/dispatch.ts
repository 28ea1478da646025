import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { createPool, targetOf } from '../../../proxy/endpoints/connection-pool.ts'
import type { Ending } from '../../harness.ts'

/** The result of a call as its dispatch handler received it. */
export interface Told {
  status: number
  headers: Record<string, unknown>
  body: Buffer
  trailers: Record<string, unknown> | undefined
  interim: number[]
  error: (Error & { code?: string }) | undefined
  /** Number of end and error callbacks. */
  ends: number
}

export interface Dispatched {
  told: Told
  controller: Dispatcher.DispatchController | undefined
  leave: (() => void) | undefined
  over: Promise<Told>
}

/** Creates a dispatcher for an HTTP/2 service. It ends with the test. */
export function startPool(t: Ending, url: string, options: object = {}): Dispatcher {
  const pool = createPool(targetOf(url), {
    http2: true,
    connections: 4,
    connectTimeout: 2_000,
    ...options
  } as never)
  t.teardown(() => pool.destroy())
  return pool
}

export function dispatch(
  pool: Dispatcher,
  options: Partial<Dispatcher.DispatchOptions> = {},
  hooks: { onStart?(controller: Dispatcher.DispatchController): void; onSent?(): void } = {}
): Dispatched {
  const told: Told = {
    status: 0,
    headers: {},
    body: Buffer.alloc(0),
    trailers: undefined,
    interim: [],
    error: undefined,
    ends: 0
  }
  const chunks: Buffer[] = []
  let settle: (told: Told) => void
  const call: Dispatched = {
    told,
    controller: undefined,
    leave: undefined,
    over: new Promise(resolve => {
      settle = resolve
    })
  }
  const end = () => {
    told.ends++
    told.body = Buffer.concat(chunks)
    settle(told)
  }
  const handler = {
    onQueued(leave: () => void) {
      call.leave = leave
    },
    onRequestStart(controller: Dispatcher.DispatchController) {
      call.controller = controller
      hooks.onStart?.(controller)
    },
    onRequestSent() {
      hooks.onSent?.()
    },
    onResponseStart(_: unknown, status: number, headers: Record<string, unknown>) {
      if (status < 200) return void told.interim.push(status)
      told.status = status
      told.headers = headers
    },
    onResponseData(_: unknown, chunk: Buffer) {
      chunks.push(chunk)
    },
    onResponseEnd(_: unknown, trailers: Record<string, unknown>) {
      told.trailers = trailers
      end()
    },
    onResponseError(_: unknown, error: Error) {
      told.error = error
      end()
    }
  }
  pool.dispatch({ path: '/', method: 'GET', ...options } as never, handler as never)
  return call
}

/** Returns a body of `size` bytes that counts the bytes read. */
export function countedBody(size: number): Readable & { given: number } {
  const chunk = Buffer.alloc(16_384)
  const body = Object.assign(
    new Readable({
      read() {
        const next = chunk.subarray(0, Math.min(chunk.length, size - body.given))
        body.given += next.length
        body.push(next.length === 0 ? null : next)
      }
    }),
    { given: 0 }
  )
  return body
}
