import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type Answer, decode, encode, RECURSION_DESIRED } from 'dns-packet'
import type { Ending } from './harness.ts'

/** Records by type and name. `SERVFAIL` fails; missing names do not exist. */
export type Zone = Record<string, Answer[] | 'SERVFAIL'>

export interface DnsServer {
  /** `address:port`, for `dns.servers`. */
  address: string
  /** Records by `type name`, such as `A orders.test`. May be changed at any time. */
  zone: Zone
  /** Received questions, as `type name`. */
  questions: string[]
}

/** Starts a DNS server over UDP. */
export async function startDns(t: Ending, zone: Zone): Promise<DnsServer> {
  const socket = createSocket('udp4')
  const server: DnsServer = { address: '', zone, questions: [] }
  socket.on('message', (message, { port, address }) => {
    const { id, questions = [] } = decode(message)
    const asked = questions.map(({ type, name }) => `${type} ${name}`)
    server.questions.push(...asked)
    const [answers] = asked.map(question => server.zone[question])
    const rcode = answers === 'SERVFAIL' ? 2 : answers === undefined ? 3 : 0
    socket.send(
      encode({
        type: 'response',
        id,
        flags: RECURSION_DESIRED | rcode,
        questions,
        answers: typeof answers === 'object' ? answers : []
      }),
      port,
      address
    )
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  server.address = `127.0.0.1:${socket.address().port}`
  return server
}

export function a(name: string, ...addresses: string[]): Answer[] {
  return addresses.map(data => ({ type: 'A', name, ttl: 0, data }))
}

export function srv(
  name: string,
  ...targets: { target: string; port: number; weight?: number; priority?: number }[]
): Answer[] {
  return targets.map(data => ({ type: 'SRV', name, ttl: 0, data }))
}
