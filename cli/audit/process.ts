import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { isLoopbackHost } from '../../admin/admin-guard.ts'
import { readCertificates } from '../../http/certificates.ts'
import { duration, size } from '../table.ts'
import type { Finding, Subject } from './finding.ts'

/** Days before its end at which a certificate should have been renewed. */
const RENEWAL = 14
const DAY = 86_400_000
/** Milliseconds: clocks that differ by more are not kept. */
const MAX_TOLERANCE = 300_000
/** Bytes of a body that a process can hold for many clients at once. */
export const MAX_BODY = 16_777_216

/** Listeners, whom they trust, and what is of the process as a whole. */
export function auditProcess({ config, routes, env, now }: Subject): Finding[] {
  const findings: Finding[] = []
  const { admin, trustProxy, listen, issuers, bodyLimit, drain, redis } = config

  if (!isLoopbackHost(admin.host) && admin.token === undefined)
    findings.push({
      code: 'admin-open',
      severity: 'error',
      path: '/admin/host',
      why: `The admin side listens on ${admin.host} and asks for no token: whoever reaches it sees upstreams and metrics.`,
      mend: 'Set admin.token, or let admin.host be 127.0.0.1.'
    })

  trustProxy.forEach((range, i) => {
    const bits = widthOf(range)
    if (bits === undefined) return
    findings.push({
      code: 'trust-proxy-wide',
      severity: bits < 4 ? 'error' : 'warning',
      path: `/trustProxy/${i}`,
      why: `X-Forwarded-For is believed from ${range}, which is more than proxies: a client there chooses its own address, and with it its limits.`,
      mend: 'Name the addresses of the proxies, or the network that only they are in.'
    })
  })

  if (env.NODE_TLS_REJECT_UNAUTHORIZED === '0')
    findings.push({
      code: 'tls-unverified',
      severity: 'error',
      path: 'NODE_TLS_REJECT_UNAUTHORIZED',
      why: "Certificates are not verified in this process: an issuer's keys can be anybody's.",
      mend: 'Unset it, and name a private authority in NODE_EXTRA_CA_CERTS, or in tls.ca of an upstream.'
    })

  if (listen.tls) {
    const { validTo } = new X509Certificate(String(readCertificates(listen.tls).cert))
    const left = Math.floor((Date.parse(validTo) - now) / DAY)
    if (left < RENEWAL)
      findings.push({
        code: 'certificate-ends',
        severity: left < 0 ? 'error' : 'warning',
        path: '/listen/tls/cert',
        why: left < 0 ? `The certificate ended on ${validTo}.` : `The certificate ends on ${validTo}.`,
        mend: 'Renew it; a gateway that runs takes the new files by itself.'
      })
  }

  for (const [name, { clockTolerance }] of Object.entries(issuers))
    if (clockTolerance > MAX_TOLERANCE)
      findings.push({
        code: 'clock-tolerance-wide',
        severity: 'warning',
        path: `/issuers/${name}/clockTolerance`,
        why: `A token is good for ${duration(clockTolerance)} after it has expired.`,
        mend: 'Keep clocks by NTP, and the tolerance to seconds.'
      })

  if (bodyLimit > MAX_BODY)
    findings.push({
      code: 'body-limit-large',
      severity: 'warning',
      path: '/bodyLimit',
      why: `Every route takes bodies of ${size(bodyLimit)}, also those that read them into memory.`,
      mend: 'Set bodyLimit for the routes that need it.'
    })

  const longest = Math.max(0, ...routes.map(({ deadline }) => deadline))
  if (drain.timeout < longest)
    findings.push({
      code: 'drain-short',
      severity: 'warning',
      path: '/drain/timeout',
      why: `Exchanges may take ${duration(longest)}, and are cut after ${duration(drain.timeout)} when the gateway stops.`,
      mend: 'Let drain.timeout be as long as the longest deadline.'
    })

  if (redis && URL.canParse(redis.url)) {
    const { protocol, hostname, password } = new URL(redis.url)
    if (protocol === 'redis:' && password !== '' && !isLoopbackHost(hostname.replace(/^\[|\]$/g, '')))
      findings.push({
        code: 'redis-plain',
        severity: 'warning',
        path: '/redis/url',
        why: `The password of Redis goes over the network to ${hostname} as it is.`,
        mend: 'Use rediss://.'
      })
  }
  return findings
}

/** Bits of a range that is wider than any network of proxies; undefined for one that is not. */
function widthOf(range: string): number | undefined {
  const [address = '', mask] = range.split('/')
  const family = isIP(address)
  if (family === 0 || mask === undefined || !/^\d+$/.test(mask)) return undefined
  const bits = Number(mask)
  return bits < (family === 4 ? 8 : 16) ? bits : undefined
}
