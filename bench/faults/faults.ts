import type { Fault } from './faulty-connection.ts'

/** Milliseconds between two bytes. */
const TRICKLE = 100

export const FAULTS = [
  { name: 'none' },
  { name: 'refuse', listens: 'not' },
  { name: 'full backlog', listens: 'full' },
  { name: 'reset on accept', onConnect: connection => connection.reset() },
  { name: 'reset after the request', onRequest: connection => connection.reset() },
  { name: 'hang', onRequest: () => {} },
  { name: 'hang after the headers', onRequest: connection => connection.write(connection.headers()) },
  {
    name: 'trickle',
    onRequest: connection => connection.trickle(connection.headers() + connection.body(), TRICKLE)
  },
  {
    name: 'trickle after the headers',
    onRequest(connection) {
      connection.write(connection.headers())
      connection.trickle(connection.body(), TRICKLE)
    }
  },
  {
    name: 'truncate',
    onRequest: connection => connection.close(connection.headers() + half(connection.body()))
  },
  {
    name: 'truncate, chunked',
    onRequest(connection) {
      const body = half(connection.body())
      const headers = connection.headers('transfer-encoding: chunked')
      connection.close(`${headers}${body.length.toString(16)}\r\n${body}\r\n`)
    }
  },
  {
    name: 'garbage',
    onRequest: connection => connection.write('\x15\x03\x03\x00\x02\x02\x50 this is no HTTP\r\n\r\n')
  },
  {
    name: 'garbage after the response',
    // Not `respond`: the connection must not be kept.
    onRequest: connection =>
      connection.write(`${connection.headers()}${connection.body()}\x15\x03\x03 and more`)
  },
  { name: 'FIN before the response', onRequest: connection => connection.finish('') },
  {
    name: 'FIN in the body',
    onRequest: connection => connection.finish(connection.headers() + half(connection.body()))
  },
  {
    name: 'response before the request was read',
    onHeaders(connection) {
      connection.respond(connection.headers() + connection.body())
      return connection.method === 'POST'
    },
    onRequest: () => {}
  },
  {
    name: '503 with 200 KiB',
    onRequest: connection =>
      connection.respond(connection.headers('content-length: 204800', 503) + 'x'.repeat(204_800))
  }
] as const satisfies Fault[]

export type FaultName = (typeof FAULTS)[number]['name']

export function faultOf(name: FaultName): Fault {
  return FAULTS.find(fault => fault.name === name) as Fault
}

function half(body: string): string {
  return body.slice(0, body.length >> 1)
}
