import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { environmentOf, SOURCES } from '../harness.ts'

const root = join(import.meta.dirname, '../..')
/** Milliseconds. */
const START = 60_000
const COMMANDS = 120_000
const MARK = '\x1e'
/** Default ports of a created project: issuer, orders, products. */
export const DEV_PORTS = ['4000', '4001', '4002']

export interface Shell {
  /** Runs commands in the page's shell, which keeps its variables. */
  run(commands: string): Promise<{ output: string; code: number }>
  /** Starts a server, and resolves with its output once it listens and has printed what the page shows. */
  start(command: string, shows?: RegExp): Promise<string>
  /** Resolves once a server has printed what the page shows. */
  prints(pattern: RegExp): Promise<void>
}

/**
 * Programs on the PATH of a page's commands. What `npm install` installs is `packages`, a node_modules folder with the
 * package in it; without one, this repository replaces the package.
 */
function programs(packages: string | undefined): Record<string, string> {
  const install = packages
    ? `ln -sfn ${packages} node_modules`
    : `mkdir -p node_modules && ln -sfn ${root} node_modules/sluice`
  return {
    npx: packages ? `PATH="${packages}/.bin:$PATH"; exec "$@"` : 'exec "$@"',
    ...(!packages && { sluice: `exec node ${root}/cli/sluice.js "$@"` }),
    // `npm test` is what runs this.
    npm: `case "$1 $2" in
  "install "*|"ci "*) ${install} ;;
  "create sluice@latest") shift 2; [ "$1" = -- ] && shift; exec node ${root}/create/index.js "$@" ;;
  "run dev") ${packages ? `PATH="${packages}/.bin:$PATH"; ` : ''}exec sh -c "$(node -p 'require("./package.json").scripts.dev')" ;;
  "run demo") NODE_OPTIONS=${SOURCES} exec node ${root}/demo/start.ts ;;
  "test ") ;;
  *) PATH="\${PATH#*:}" exec npm "$@" ;;
esac`
  }
}

export async function createShell(
  t: Test,
  folder: string,
  ports: Map<string, string>,
  packages?: string
): Promise<Shell> {
  const bin = join(folder, '.bin')
  await mkdir(bin)
  for (const [name, script] of Object.entries(programs(packages))) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`)
    await chmod(join(bin, name), 0o755)
  }
  const options = {
    cwd: folder,
    env: environmentOf({
      HOME: folder,
      PATH: [bin, dirname(process.execPath), process.env.PATH].join(delimiter),
      WORKERS: '1',
      WORKER_WARM_UP: '0',
      ...demoPorts(ports)
    })
  }
  const nodeOptions = packages ? 'unset NODE_OPTIONS' : `export NODE_OPTIONS=${SOURCES}`
  const services = devUrls(ports)
  const servers = new Map<string, ChildProcess>()
  const outputs = new Map<string, Output>()
  const bash = spawn('bash', { ...options, stdio: ['pipe', 'pipe', 'inherit'] })
  bash.stdin.write(`${nodeOptions}\n`)
  const printed = collect(bash)
  t.teardown(async () => {
    bash.kill('SIGKILL')
    await Promise.all([...servers.values()].map(stop))
  })

  const shell: Shell = {
    async run(commands) {
      const start = printed.text().length
      bash.stdin.write(`{\n${commands}\n} 2>&1 </dev/null\nprintf '${MARK}%s\\n' $?\n`)
      await printed.until(text => /\x1e\d+\n$/.test(text.slice(start)), COMMANDS)
      const [output = '', code] = printed.text().slice(start).split(MARK)
      return { output: output.replaceAll('\r', '').replace(/[ \t]+$/gm, ''), code: Number(code) }
    },
    async start(command, shows) {
      const earlier = servers.get(programOf(command))
      if (earlier) await stop(earlier)
      const { output: cwd } = await shell.run('pwd')
      const server = spawn('bash', ['-c', `${nodeOptions}; exec env ${command}`], {
        ...options,
        // Commands lack these, so that a page can show what is missing.
        env: { ...options.env, ...services },
        cwd: cwd.trim(),
        stdio: ['ignore', 'pipe', 'pipe']
      })
      servers.set(programOf(command), server)
      const output = collect(server)
      outputs.set(programOf(command), output)
      const script = shows ? '' : await scriptOf(command, folder)
      const ports = portsOf(script)
      if (ports.length > 0) {
        await Promise.all(ports.map(untilOpen))
        // An issuer listens before it prints a token.
        if (/`TOKEN=/.test(script)) await output.until(text => /^TOKEN=\S+$/m.test(text), START)
      } else {
        const isReady = command.includes('npm run dev') ? /^TOKEN=/m : /listen|Ctrl-C/i
        await output.until(text => (shows ? shows.test(text.trim()) : isReady.test(text)), START)
      }
      // A reader pastes the variables that a server prints.
      const variables = output.text().match(/^[A-Z_]+=\S+$/gm) ?? []
      if (variables.length > 0) await shell.run(variables.join('\n'))
      return output.text()
    },
    async prints(pattern) {
      await Promise.any([...outputs.values()].map(output => output.until(text => pattern.test(text), START)))
    }
  }
  return shell
}

/** Returns the code of a service of the page, `node FILE.ts`. */
async function scriptOf(command: string, folder: string): Promise<string> {
  const [, file = ''] = /^node ([\w./-]+\.ts)/.exec(command) ?? []
  return file === '' ? '' : readFile(join(folder, file), 'utf8')
}

/** Returns the ports of a service, which need not print that it listens. */
function portsOf(script: string): number[] {
  return [...script.matchAll(/(?:\blisten\(|\bport: |bindAsync\('127\.0\.0\.1:)(\d+)/g)].map(([, port]) =>
    Number(port)
  )
}

async function untilOpen(port: number): Promise<void> {
  for (const end = Date.now() + START; Date.now() < end; await sleep(50)) {
    const socket = connect(port, '127.0.0.1')
    const isOpen = await new Promise<boolean>(resolve => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (isOpen) return
  }
  throw new Error(`nothing listens on port ${port}`)
}

function programOf(command: string): string {
  return command
    .replace(/^(\w+=\S+ )*/, '')
    .split(' ')
    .slice(0, 3)
    .join(' ')
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
  await once(child, 'exit')
  clearTimeout(timer)
}

/** Output of a process. */
interface Output {
  text(): string
  until(isDone: (text: string) => boolean, timeout: number): Promise<void>
}

function collect(child: ChildProcess): Output {
  let text = ''
  const waiting = new Set<() => void>()
  const changed = () => {
    for (const check of waiting) check()
  }
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', chunk => {
      text += chunk
      changed()
    })
  child.once('exit', changed)
  return {
    text: () => text,
    until: (isDone: (text: string) => boolean, timeout: number) =>
      new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => end(new Error(`nothing more within ${timeout} ms:\n${text}`)), timeout)
        const end = (error?: Error) => {
          clearTimeout(timer)
          waiting.delete(check)
          error ? reject(error) : resolve()
        }
        const check = () => {
          if (isDone(text)) end()
          else if (child.exitCode !== null) end(new Error(`exited with ${child.exitCode}:\n${text}`))
        }
        waiting.add(check)
        check()
      })
  }
}

/** The variables by which demo and gateway of this repository take their ports. */
function demoPorts(ports: Map<string, string>): Record<string, string> {
  const variables = {
    PORT: '8080',
    ADMIN_PORT: '8081',
    IDENTITY_PORT: '4000',
    USERS_PORT: '4001',
    ORDERS_PORT: '4002',
    PRODUCTS_PORT: '4003'
  }
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, port]) =>
      ports.has(port) ? [[name, ports.get(port) as string]] : []
    )
  )
}

/** The variables by which a created project's gateway and services take their ports. */
function devUrls(ports: Map<string, string>): Record<string, string> {
  const [issuer, orders, products] = DEV_PORTS.map(
    port => ports.get(port) && `http://127.0.0.1:${ports.get(port)}`
  )
  return issuer && orders && products
    ? { JWT_ISSUER: issuer, ORDERS_URL: orders, PRODUCTS_URL: products }
    : {}
}
