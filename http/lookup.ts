import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import { readFileSync } from 'node:fs'
import type { LookupFunction } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { appState } from '../app-state.ts'

/**
 * Resolves host names for all connections of a gateway: to services, issuers and Redis. Uses getaddrinfo, so that the
 * hosts file and search domains count. A look-up holds one of libuv's threads until the DNS servers respond, 10 s or
 * more if they are silent. So that a silent server does not take all threads:
 *
 * - each name has one look-up at a time, which all callers share;
 * - some threads are reserved for names that have resolved before, or that are in the hosts file;
 * - callers get an error after `TIMEOUT` ms. A name that has resolved before keeps its addresses instead, from `SILENT` ms
 *   on and while no DNS server responds.
 */
export function createLookup({
  resolve = systemLookup,
  // libuv reads this variable, and has no API for the number of its threads.
  threads = Number(process.env.UV_THREADPOOL_SIZE) || 4,
  isLocal = isInHosts
}: NameLookupOptions = {}): LookupFunction {
  const names = new Map<string, Name>()
  /** libuv uses at most half of its threads for look-ups. */
  const slots = Math.max(1, Math.floor((threads + 1) / 2))
  const slotsOfUnproven = Math.max(1, slots - Math.ceil(slots / 4))
  const running = new Set<Name>()
  let queue: Name[] = []

  return (hostname, { family = 0, hints = 0, all }, callback) => {
    const name = nameOf(hostname, toNumber(family), hints)
    const reply: Callback = (error, addresses) => {
      const [first] = addresses
      if (error !== null || first === undefined) callback(error ?? noResponse(hostname), all ? [] : '', 0)
      else if (all) callback(null, addresses)
      else callback(null, first.address, first.family)
    }
    const { known, state } = name
    if (name.isSilent && known.length > 0) process.nextTick(reply, null, known)
    else if (state === 'timedOut') process.nextTick(reply, noResponse(hostname), [])
    else name.waiting.push(reply)
    start(name)
  }

  function nameOf(hostname: string, family: number, hints: number): Name {
    const key = `${hostname} ${family} ${hints}`
    let name = names.get(key)
    if (name === undefined) {
      name = { hostname, family, hints, known: [], waiting: [], isSilent: false, state: 'idle' }
      names.set(key, name)
      for (const [old, { state }] of names) {
        if (names.size <= MAX_NAMES) break
        if (state === 'idle') names.delete(old)
      }
    }
    return name
  }

  function start(name: Name): void {
    if (name.state !== 'idle') return
    name.state = 'waiting'
    const silent = setTimeout(() => {
      // A name that waits for a thread has not been requested yet.
      if (running.has(name)) name.isSilent = true
      if (name.known.length > 0) settle(name, null, name.known)
    }, SILENT)
    const timeout = setTimeout(() => {
      name.state = 'timedOut'
      settle(name, noResponse(name.hostname), [])
    }, TIMEOUT)
    name.timers = [silent.unref(), timeout.unref()]
    queue.push(name)
    runNext()
  }

  function runNext(): void {
    queue = queue.filter(name => {
      if (running.size >= (isProven(name) ? slots : slotsOfUnproven)) return true
      run(name)
      return false
    })
  }

  function isProven({ known, isSilent, hostname }: Name): boolean {
    return (known.length > 0 && !isSilent) || isLocal(hostname)
  }

  function run(name: Name): void {
    running.add(name)
    const { hostname, family, hints } = name
    resolve(hostname, { family, hints, all: true }, (error, addresses) => {
      running.delete(name)
      for (const timer of name.timers ?? []) clearTimeout(timer)
      name.state = 'idle'
      // No DNS server has responded, so the name may exist.
      name.isSilent = error?.code === 'EAI_AGAIN'
      if (error === null) name.known = addresses
      else if (error.code === 'ENOTFOUND') name.known = []
      if (name.known.length > 0) settle(name, null, name.known)
      else settle(name, error, [])
      runNext()
    })
  }

  function settle(name: Name, error: NodeJS.ErrnoException | null, addresses: LookupAddress[]): void {
    const { waiting } = name
    name.waiting = []
    for (const reply of waiting) reply(error, addresses)
  }
}

/** Returns the look-up that all plugins of an app share, as they share libuv's threads. */
export function lookupOf(app: FastifyInstance): LookupFunction {
  return appState(app, 'lookup', () => createLookup())
}

/** Replacements for the system, for tests. */
export interface NameLookupOptions {
  resolve?: (
    hostname: string,
    options: { family: number; hints: number; all: true },
    callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void
  ) => void
  /** libuv's threads. Default: `UV_THREADPOOL_SIZE`, or 4. */
  threads?: number
  /** True for names that need no DNS server. Default: names in the hosts file. */
  isLocal?: (hostname: string) => boolean
}

type Callback = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void

interface Name {
  hostname: string
  family: number
  hints: number
  /** Addresses of its last successful look-up. */
  known: LookupAddress[]
  waiting: Callback[]
  /** True if its last or running look-up got no response in time. */
  isSilent: boolean
  /** `timedOut`: callers get the error at once. */
  state: 'idle' | 'waiting' | 'timedOut'
  timers?: NodeJS.Timeout[]
}

/** ms. */
const SILENT = 1_000
const TIMEOUT = 5_000
/** Names come from the config and from the discovery documents of issuers. */
const MAX_NAMES = 1_024

function toNumber(family: number | string): number {
  return family === 'IPv4' ? 4 : family === 'IPv6' ? 6 : Number(family)
}

/** Returns the error of getaddrinfo when no DNS server responds. */
function noResponse(hostname: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException & { hostname?: string } = new Error(
    `getaddrinfo EAI_AGAIN ${hostname}: no DNS server responds`
  )
  return Object.assign(error, { code: 'EAI_AGAIN', syscall: 'getaddrinfo', hostname })
}

/** Only decides whether a name may use a reserved thread. The system resolves it. */
function isInHosts(hostname: string): boolean {
  if (/(^|\.)localhost$/i.test(hostname)) return true
  try {
    const hosts = readFileSync('/etc/hosts', 'utf8').replace(/#.*$/gm, '')
    return hosts.toLowerCase().split(/\s+/).includes(hostname.toLowerCase())
  } catch {
    return false
  }
}
