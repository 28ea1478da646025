import type { Peer } from './peer.ts'

/** What a service may do instead of answering well: each gets the connection, and what was asked on it. */
export interface Fault {
  name: string
  /** Nobody listens, or nobody takes the connection. */
  listens?: 'not' | 'full'
  onConnect?(peer: Peer): void
  /** The head of a request has come, its body has not. True if the rest of it is not to be read. */
  onHead?(peer: Peer): boolean
  /** All of a request has come. */
  onRequest?(peer: Peer): void
}

/** Milliseconds between two bytes. */
const TRICKLE = 100

export const FAULTS = [
  { name: 'none' },
  { name: 'refuse', listens: 'not' },
  { name: 'full backlog', listens: 'full' },
  { name: 'reset on accept', onConnect: peer => peer.reset() },
  { name: 'reset after the request', onRequest: peer => peer.reset() },
  { name: 'hang', onRequest: () => {} },
  { name: 'hang after the head', onRequest: peer => peer.write(peer.head()) },
  { name: 'trickle', onRequest: peer => peer.trickle(peer.head() + peer.body(), TRICKLE) },
  {
    name: 'trickle after the head',
    onRequest(peer) {
      peer.write(peer.head())
      peer.trickle(peer.body(), TRICKLE)
    }
  },
  { name: 'truncate', onRequest: peer => peer.close(peer.head() + half(peer.body())) },
  {
    name: 'truncate, chunked',
    onRequest(peer) {
      const body = half(peer.body())
      peer.close(`${peer.head('transfer-encoding: chunked')}${body.length.toString(16)}\r\n${body}\r\n`)
    }
  },
  { name: 'garbage', onRequest: peer => peer.write('\x15\x03\x03\x00\x02\x02\x50 this is no HTTP\r\n\r\n') },
  {
    name: 'garbage after the answer',
    // Its connection is not one to keep.
    onRequest: peer => peer.write(`${peer.head()}${peer.body()}\x15\x03\x03 and more`)
  },
  { name: 'FIN before the answer', onRequest: peer => peer.finish('') },
  { name: 'FIN in the body', onRequest: peer => peer.finish(peer.head() + half(peer.body())) },
  {
    name: 'answer before the request was read',
    onHead(peer) {
      peer.answer(peer.head() + peer.body())
      return peer.method === 'POST'
    },
    onRequest: () => {}
  },
  {
    name: '503 with 200 KiB',
    onRequest: peer => peer.answer(peer.head('content-length: 204800', 503) + 'x'.repeat(204_800))
  }
] as const satisfies Fault[]

export type FaultName = (typeof FAULTS)[number]['name']

export function faultOf(name: FaultName): Fault {
  return FAULTS.find(fault => fault.name === name) as Fault
}

function half(body: string): string {
  return body.slice(0, body.length >> 1)
}
