import { Resolver } from 'node:dns/promises'
import type { FastifyBaseLogger } from 'fastify'
import type { DnsOptions } from '../../schemas/options/endpoints.ts'
import type { Target } from './connection-pool.ts'

/** Endpoints of one upstream. Bounds what a DNS server can cause. */
const MAX_ENDPOINTS = 256
/** ms. */
const MIN_REFRESH = 1_000
const QUERY_TIMEOUT = 2_000

interface Address {
  address: string
  family: 4 | 6
}

/** Result of a lookup. `ttl`: ms until it expires. `fault`: error of a part of the lookup. */
interface Found<Record> {
  records: Record[]
  ttl: number
  fault?: Error
}

/**
 * Resolves a name again and again. While DNS fails or returns nothing, the last targets stay; the start and the end of such
 * a time are logged once.
 *
 * @param onTargets called after each successful lookup, never with an empty list
 * @returns a function that stops it
 */
export function followName(
  options: DnsOptions,
  log: FastifyBaseLogger,
  onTargets: (targets: Target[]) => void
): () => void {
  const name = options.name.replace(/\.$/, '')
  const resolver = new Resolver({ timeout: QUERY_TIMEOUT, tries: 2 })
  if (options.servers) resolver.setServers(options.servers)
  const families = options.family === undefined ? ([4, 6] as const) : [options.family as 4 | 6]
  /** Last addresses by family and name; kept while a single lookup fails. */
  let known = new Map<string, Address[]>()
  let failures = 0
  let isEnded = false
  let timer: NodeJS.Timeout
  update()
  return () => {
    isEnded = true
    clearTimeout(timer)
    resolver.cancel()
  }

  async function update(): Promise<void> {
    const next = new Map<string, Address[]>()
    const { records, ttl, fault } = await (options.type === 'SRV' ? bySrv(next) : byAddress(next)).catch(
      (fault: Error) => ({ records: [], ttl: Number.POSITIVE_INFINITY, fault })
    )
    if (isEnded) return
    if (records.length > 0) {
      known = next
      onTargets(records)
    }
    note(fault ?? (records.length === 0 ? new Error('the response is empty') : undefined))
    const soon = failures === 0 ? ttl : MIN_REFRESH * 2 ** Math.min(failures - 1, 10)
    // Jitter, so that gateways do not ask at the same time; never later than the TTL.
    const delay = Math.min(options.refresh, soon) * (0.9 + 0.1 * Math.random())
    timer = setTimeout(update, Math.max(MIN_REFRESH, delay)).unref()
  }

  function note(fault: Error | undefined): void {
    if (fault !== undefined && failures++ === 0)
      log.warn({ err: fault, name }, 'DNS fails; the known addresses stay in use')
    if (fault === undefined && failures > 0) {
      failures = 0
      log.info({ name }, 'DNS responds again')
    }
  }

  async function byAddress(next: Map<string, Address[]>): Promise<Found<Target>> {
    const { records, ...rest } = await addressesOf(name, next)
    return {
      records: records.slice(0, MAX_ENDPOINTS).map(at => targetAt(at, options.port as number, 1, 0)),
      ...rest
    }
  }

  /** Resolves SRV records (RFC 2782). Port 0, or the root as target, means that the service does not exist. */
  async function bySrv(next: Map<string, Address[]>): Promise<Found<Target>> {
    const services = (await resolver.resolveSrv(name))
      .filter(({ name, port }) => name !== '' && name !== '.' && port > 0)
      .sort((one, other) => one.priority - other.priority || (one.name < other.name ? -1 : 1))
      .slice(0, MAX_ENDPOINTS)
    const names = [...new Set(services.map(service => service.name))]
    const found = await Promise.all(names.map(each => addressesOf(each, next)))
    const records = services.flatMap(({ name, port, priority, weight }) =>
      (found[names.indexOf(name)]?.records ?? []).map(at => targetAt(at, port, Math.max(1, weight), priority))
    )
    return {
      records: records.slice(0, MAX_ENDPOINTS),
      ttl: Math.min(...found.map(({ ttl }) => ttl)),
      fault: found.find(({ fault }) => fault !== undefined)?.fault
    }
  }

  /** Resolves both address families independently: one may be empty or fail. */
  async function addressesOf(name: string, next: Map<string, Address[]>): Promise<Found<Address>> {
    const answers = await Promise.allSettled(
      families.map(family =>
        family === 4 ? resolver.resolve4(name, { ttl: true }) : resolver.resolve6(name, { ttl: true })
      )
    )
    const result: Found<Address> = { records: [], ttl: Number.POSITIVE_INFINITY }
    answers.forEach((answer, index) => {
      const family = families[index] as 4 | 6
      const key = `${family} ${name}`
      let addresses: Address[] = []
      if (answer.status === 'fulfilled') {
        addresses = answer.value.map(({ address }) => ({ address, family }))
        for (const { ttl } of answer.value) result.ttl = Math.min(result.ttl, ttl * 1_000)
      } else if (!NO_RECORDS.has(answer.reason.code)) {
        addresses = known.get(key) ?? []
        result.fault = answer.reason
      }
      next.set(key, addresses)
      result.records.push(...addresses)
    })
    result.records.sort((one, other) => (one.address < other.address ? -1 : 1))
    return result
  }

  function targetAt(at: Address, port: number, weight: number, priority: number): Target {
    const { protocol, path: base } = options
    const host = at.family === 6 ? `[${at.address}]` : at.address
    const origin = new URL(`${protocol}://${withoutService(name)}:${port}`).origin
    return { url: `${protocol}://${host}:${port}${base}`, origin, base, address: at, weight, priority }
  }
}

/** Codes for a name without such records. Other codes are failures of DNS. */
const NO_RECORDS = new Set(['ENODATA', 'ENOTFOUND'])

/** Removes service labels: the certificate of `_http._tcp.orders.example` names `orders.example` (RFC 6125). */
function withoutService(name: string): string {
  return name.replace(/^(_[^.]+\.)+/, '')
}
