import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../free-port.ts'

/** HAProxy in front of the pods of a rolling update. */
export interface Balancer {
  /** Base URL of each way to the pods. */
  ingress: string
  service: string
  /** Adds a pod to the endpoints, or removes it: it then gets no new requests and connections. */
  setEndpoint(name: string, isIncluded: boolean): Promise<void>
  /** Returns the errors that HAProxy counted, by proxy and kind; without those of event streams and WebSockets. */
  errors(): Promise<Record<string, number>>
  stop(): void
}

export interface Pod {
  name: string
  port: number
  adminPort: number
}

/** Failed connections, failed responses, retries and redispatches. */
const ERRORS = ['econ', 'eresp', 'wretr', 'wredis']

/** Starts HAProxy; no pod is an endpoint yet. @throws if it is not installed */
export async function startBalancer(pods: Pod[]): Promise<Balancer> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-haproxy-'))
  const socket = join(directory, 'haproxy.sock')
  const [ingress, service] = [await freePort(), await freePort()]
  const servers = pods.map(
    ({ name, port, adminPort }) => `  server ${name} 127.0.0.1:${port} check port ${adminPort} disabled`
  )
  const tracking = pods.map(({ name, port }) => `  server ${name} 127.0.0.1:${port} track requests/${name}`)
  const values: Record<string, string | number> = {
    SOCKET: socket,
    INGRESS: ingress,
    SERVICE: service,
    SERVERS: servers.join('\n'),
    TRACKING: tracking.join('\n')
  }
  const template = readFileSync(join(import.meta.dirname, 'haproxy.cfg'), 'utf8')
  const file = join(directory, 'haproxy.cfg')
  writeFileSync(
    file,
    template.replace(/\{\{(\w+)\}\}/g, (_, name: string) => String(values[name]))
  )
  const child = spawn('haproxy', ['-db', '-q', '-f', file], { stdio: ['ignore', 'ignore', 'inherit'] })
  await once(child, 'spawn')
  const stop = () => {
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
  for (let attempt = 0; ; attempt++) {
    const isListening = await command('show info').then(Boolean, () => false)
    if (isListening) break
    if (attempt === 100 || child.exitCode !== null) throw new Error('haproxy does not listen')
    await sleep(50)
  }
  return {
    ingress: `http://127.0.0.1:${ingress}`,
    service: `http://127.0.0.1:${service}`,
    async setEndpoint(name, isIncluded) {
      const answer = await command(`set server requests/${name} state ${isIncluded ? 'ready' : 'maint'}`)
      if (answer.trim() !== '') throw new Error(answer)
    },
    async errors() {
      const [header = '', ...rows] = (await command('show stat')).replace('# ', '').trim().split('\n')
      const names = header.split(',')
      const found: Record<string, number> = {}
      for (const row of rows) {
        const cells = row.split(',')
        const cell = (name: string) => cells[names.indexOf(name)] ?? ''
        if (cell('svname') !== 'BACKEND' || cell('pxname') === 'streams') continue
        for (const name of ERRORS)
          if (Number(cell(name)) > 0) found[`${cell('pxname')} ${name}`] = Number(cell(name))
      }
      return found
    },
    stop
  }

  async function command(line: string): Promise<string> {
    const connection = connect(socket)
    connection.end(`${line}\n`)
    return text(connection)
  }
}
