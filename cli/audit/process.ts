import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { isLoopbackHost } from '../../admin/admin-guard.ts'
import { readCertificates } from '../../http/certificates.ts'
import { formatDuration, formatSize } from '../../observe/served-routes.ts'
import type { AuditInput, Finding } from './finding.ts'

/** Days before its expiry at which a certificate should have been renewed. */
const RENEWAL = 14
const DAY = 86_400_000
/** Milliseconds. Synchronized clocks differ by less. */
const MAX_TOLERANCE = 300_000
/** Bytes of a request body that a process can buffer for many clients at once. */
export const MAX_BODY = 16_777_216

/** Audits listeners, trust in proxies, and options of the whole process. */
export function auditProcess({ config, routes, env, now }: AuditInput): Finding[] {
  const findings: Finding[] = []
  const { admin, trustProxy, listen, issuers, bodyLimit, drain, redis } = config

  if (!isLoopbackHost(admin.host) && admin.token === undefined)
    findings.push({
      code: 'admin-open',
      severity: 'error',
      path: '/admin/host',
      why: `The admin API listens on ${admin.host} without a token: anybody who can connect sees upstreams and metrics.`,
      fix: 'Set admin.token, or set admin.host to 127.0.0.1.'
    })

  trustProxy.forEach((range, i) => {
    const bits = prefixOfWideRange(range)
    if (bits === undefined) return
    findings.push({
      code: 'trust-proxy-wide',
      severity: bits < 4 ? 'error' : 'warning',
      path: `/trustProxy/${i}`,
      why: `X-Forwarded-For is trusted from ${range}, which has more than proxies: clients there can choose their address, and evade limits.`,
      fix: 'List the addresses of the proxies, or a network that has only proxies.'
    })
  })

  if (env.NODE_TLS_REJECT_UNAUTHORIZED === '0')
    findings.push({
      code: 'tls-unverified',
      severity: 'error',
      path: 'NODE_TLS_REJECT_UNAUTHORIZED',
      why: 'This process does not verify certificates: anybody on the network can serve the keys of an issuer.',
      fix: 'Unset it, and add private authorities to NODE_EXTRA_CA_CERTS or to tls.ca of an upstream.'
    })

  if (listen.tls) {
    const { validTo } = new X509Certificate(String(readCertificates(listen.tls).cert))
    const days = Math.floor((Date.parse(validTo) - now) / DAY)
    if (days < RENEWAL)
      findings.push({
        code: 'certificate-expiry',
        severity: days < 0 ? 'error' : 'warning',
        path: '/listen/tls/cert',
        why: `The certificate ${days < 0 ? 'expired' : 'expires'} on ${validTo}.`,
        fix: 'Renew it. A running gateway loads the new files by itself.'
      })
  }

  for (const [name, { clockTolerance }] of Object.entries(issuers))
    if (clockTolerance > MAX_TOLERANCE)
      findings.push({
        code: 'clock-tolerance-wide',
        severity: 'warning',
        path: `/issuers/${name}/clockTolerance`,
        why: `Tokens are accepted for ${formatDuration(clockTolerance)} after they expired.`,
        fix: 'Synchronize clocks with NTP, and set a tolerance of seconds.'
      })

  if (bodyLimit > MAX_BODY)
    findings.push({
      code: 'body-limit-large',
      severity: 'warning',
      path: '/bodyLimit',
      why: `All routes accept bodies of ${formatSize(bodyLimit)}, including routes that buffer them.`,
      fix: 'Set bodyLimit on the routes that need it.'
    })

  const longest = Math.max(0, ...routes.map(({ deadline }) => deadline))
  if (drain.timeout < longest)
    findings.push({
      code: 'drain-short',
      severity: 'warning',
      path: '/drain/timeout',
      why: `A stopping gateway aborts exchanges after ${formatDuration(drain.timeout)}, and they may take ${formatDuration(longest)}.`,
      fix: 'Set drain.timeout to at least the longest deadline.'
    })

  if (redis && URL.canParse(redis.url)) {
    const { protocol, hostname, password } = new URL(redis.url)
    if (protocol === 'redis:' && password !== '' && !isLoopbackHost(hostname.replace(/^\[|\]$/g, '')))
      findings.push({
        code: 'redis-without-tls',
        severity: 'warning',
        path: '/redis/url',
        why: `The Redis password is sent to ${hostname} unencrypted.`,
        fix: 'Use rediss://.'
      })
  }
  return findings
}

/** Returns the prefix length of a range that is wider than a network of proxies, or undefined. */
function prefixOfWideRange(range: string): number | undefined {
  const [address = '', mask] = range.split('/')
  const family = isIP(address)
  if (family === 0 || mask === undefined || !/^\d+$/.test(mask)) return undefined
  const bits = Number(mask)
  return bits < (family === 4 ? 8 : 16) ? bits : undefined
}
