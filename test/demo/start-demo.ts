import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'

/** Starts the demo on free ports. It ends with the test. */
export async function startDemo(t: Test, env: Record<string, string> = {}) {
  const ports = await findPorts([
    'PORT',
    'ADMIN_PORT',
    'IDENTITY_PORT',
    'USERS_PORT',
    'ORDERS_PORT',
    'PRODUCTS_PORT'
  ])
  const tmp = t.testdir()
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../demo/start.ts')], {
    env: { ...process.env, ...ports, ...env, TMPDIR: tmp },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => child.kill('SIGKILL'))
  // 'close' instead of 'exit' waits for the output, which the demo's processes hold open.
  return {
    child,
    tmp,
    gateway: `http://127.0.0.1:${ports.PORT}`,
    admin: `http://127.0.0.1:${ports.ADMIN_PORT}`,
    ended: once(child, 'close'),
    printed: collect(child)
  }
}

/** Returns a function that resolves with the output when it matches. */
function collect({ stdout, stderr }: ChildProcess) {
  let printed = ''
  const waiting = new Set<() => void>()
  for (const stream of [stdout, stderr]) {
    stream?.setEncoding('utf8').on('data', chunk => {
      printed += chunk
      for (const check of waiting) check()
    })
  }
  return (pattern: RegExp) =>
    new Promise<string>(resolve => {
      const check = () => {
        if (!pattern.test(printed)) return
        waiting.delete(check)
        resolve(printed)
      }
      waiting.add(check)
      check()
    })
}

async function findPorts(variables: string[]): Promise<Record<string, string>> {
  const servers = variables.map(() => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => `${(server.address() as AddressInfo).port}`)
  await Promise.all(servers.map(server => once(server.close(), 'close')))
  return Object.fromEntries(variables.map((variable, index) => [variable, ports[index] as string]))
}
