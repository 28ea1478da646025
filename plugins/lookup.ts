import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import { readFileSync } from 'node:fs'
import type { LookupFunction } from 'node:net'

/**
 * Resolves names for every connection of a gateway: to services, issuers and Redis. The system does it (getaddrinfo, so
 * hosts file, search domains and whatever else it is set up with count), in one of libuv's threads, of which it holds one
 * until the DNS servers have answered, 10 s and more if they are silent. So that one silent server does not take them all:
 *
 * - there is one look-up a name at a time, for whoever asks for that name;
 * - some threads are left to names that have resolved before, or that the hosts file has;
 * - who waits is told after `OVERDUE` ms; a name that has resolved before stands for the same addresses until then, from
 *   `SILENT` ms on, and while its look-up fails for want of an answer.
 */
export function createLookup({
  resolve = systemLookup,
  threads = Number(process.env.UV_THREADPOOL_SIZE) || 4,
  isLocal = isInHosts
}: NameLookupOptions = {}): LookupFunction {
  const names = new Map<string, Name>()
  /** libuv lets look-ups have half of its threads. */
  const places = Math.max(1, Math.floor((threads + 1) / 2))
  const placesOfUnproven = Math.max(1, places - Math.ceil(places / 4))
  const running = new Set<Name>()
  let queue: Name[] = []

  return (hostname, { family = 0, hints = 0, all }, callback) => {
    const name = nameOf(hostname, toNumber(family), hints)
    const answer: Waiting = (error, addresses) => {
      const [first] = addresses
      if (error !== null || first === undefined) callback(error ?? noAnswer(hostname), all ? [] : '', 0)
      else if (all) callback(null, addresses)
      else callback(null, first.address, first.family)
    }
    const { known, state } = name
    if (name.isSilent && known.length > 0) process.nextTick(answer, null, known)
    else if (state === 'overdue') process.nextTick(answer, noAnswer(hostname), [])
    else name.waiting.push(answer)
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
      // One that waits for its turn has not been asked about yet.
      if (running.has(name)) name.isSilent = true
      if (name.known.length > 0) tell(name, null, name.known)
    }, SILENT)
    const overdue = setTimeout(() => {
      name.state = 'overdue'
      tell(name, noAnswer(name.hostname), [])
    }, OVERDUE)
    name.timers = [silent.unref(), overdue.unref()]
    queue.push(name)
    runNext()
  }

  function runNext(): void {
    queue = queue.filter(name => {
      if (running.size >= (isProven(name) ? places : placesOfUnproven)) return true
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
      // Nobody has answered: that says nothing of the name.
      name.isSilent = error?.code === 'EAI_AGAIN'
      if (error === null) name.known = addresses
      else if (error.code === 'ENOTFOUND') name.known = []
      if (name.known.length > 0) tell(name, null, name.known)
      else tell(name, error, [])
      runNext()
    })
  }

  function tell(name: Name, error: NodeJS.ErrnoException | null, addresses: LookupAddress[]): void {
    const { waiting } = name
    name.waiting = []
    for (const answer of waiting) answer(error, addresses)
  }
}

/** One for the process, as the threads are. */
export const lookup: LookupFunction = createLookup()

/** What the system is stood in for by. */
export interface NameLookupOptions {
  resolve?: (
    hostname: string,
    options: { family: number; hints: number; all: true },
    callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void
  ) => void
  /** Of libuv. */
  threads?: number
  /** Tells names that need no DNS server. */
  isLocal?: (hostname: string) => boolean
}

type Waiting = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void

interface Name {
  hostname: string
  family: number
  hints: number
  /** What it last stood for. */
  known: LookupAddress[]
  waiting: Waiting[]
  /** Its last look-up, or the one under way, has had no answer in time. */
  isSilent: boolean
  /** overdue: whoever asks is told at once. */
  state: 'idle' | 'waiting' | 'overdue'
  timers?: NodeJS.Timeout[]
}

/** Milliseconds. */
const SILENT = 1_000
const OVERDUE = 5_000
/** They come from the config, and from what issuers publish. */
const MAX_NAMES = 1_024

function toNumber(family: number | string): number {
  return family === 'IPv4' ? 4 : family === 'IPv6' ? 6 : Number(family)
}

/** As getaddrinfo has it when no DNS server answers. */
function noAnswer(hostname: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException & { hostname?: string } = new Error(
    `getaddrinfo EAI_AGAIN ${hostname}: no DNS server answers`
  )
  return Object.assign(error, { code: 'EAI_AGAIN', syscall: 'getaddrinfo', hostname })
}

/** Only tells who may have a thread that is kept free: what the name stands for is the system's to say. */
function isInHosts(hostname: string): boolean {
  if (/(^|\.)localhost$/i.test(hostname)) return true
  try {
    const hosts = readFileSync('/etc/hosts', 'utf8').replace(/#.*$/gm, '')
    return hosts.toLowerCase().split(/\s+/).includes(hostname.toLowerCase())
  } catch {
    return false
  }
}
