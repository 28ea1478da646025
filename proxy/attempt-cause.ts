import type { Cause } from '../http/cause.ts'
import type { Exchange } from '../http/exchange.ts'
import { isLocalResourceExhaustion } from './errors.ts'
import { isNotHttp } from './undici-internals.ts'

export interface Failure {
  cause: Cause
  detail?: string | undefined
}

/** Characters of a detail. */
const MAX_DETAIL = 200

/** Codes of Node and undici, and of the HTTP/2 client, that have a cause of their own. */
const BY_CODE: Record<string, Cause> = {
  ECONNREFUSED: 'connection-refused',
  ENOENT: 'connection-refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETDOWN: 'unreachable',
  EACCES: 'unreachable',
  UND_ERR_CONNECT_TIMEOUT: 'connect-timeout',
  ETIMEDOUT: 'connect-timeout',
  UND_ERR_HEADERS_TIMEOUT: 'response-timeout',
  UND_ERR_BODY_TIMEOUT: 'idle-timeout',
  UND_ERR_HEADERS_OVERFLOW: 'response-too-large',
  HTTP2_MALFORMED_RESPONSE: 'invalid-response'
}

/** Returns why an attempt failed, or undefined for one whose response nobody wants. `error`: of proxy/errors.ts, or the reason for which its exchange was aborted. */
export function causeOfFailure(error: Error & { code?: string }, exchange: Exchange): Failure | undefined {
  switch (error.code) {
    case 'SLUICE_UPSTREAM_FAILED':
      return causeOfConnection(error)
    case 'SLUICE_UPSTREAM_INVALID_RESPONSE':
      return { cause: 'invalid-response', detail: detailOf(error.cause) }
    case 'SLUICE_UPSTREAM_TIMEOUT':
      return { cause: BY_CODE[codeOf(error.cause)] ?? 'response-timeout' }
    case 'SLUICE_UNFORWARDABLE':
      return { cause: 'unforwardable', detail: detailOf(error.cause) }
    case 'SLUICE_DEADLINE_EXCEEDED':
      return { cause: exchange.isClientDeadline ? 'client-deadline-exceeded' : 'deadline-exceeded' }
    case 'SLUICE_IDLE_TIMEOUT':
      return { cause: 'idle-timeout' }
    case 'SLUICE_REQUEST_TIMEOUT':
      return { cause: 'request-timeout' }
    case 'SLUICE_STOPPING':
      return { cause: 'stopping' }
    case 'SLUICE_CLIENT_CLOSED_REQUEST':
      return { cause: 'client-aborted' }
    case 'SLUICE_MIRRORED':
      return undefined
    case 'SLUICE_BODY_TOO_LARGE':
      return { cause: 'body-too-large' }
    default:
      return exchange.isClientGone ? { cause: 'client-aborted' } : { cause: 'cancelled' }
  }
}

/** Returns the failure of a complete response by its status, or undefined below 400. `status`: of HTTP, or standing for gRPC's. */
export function causeOfStatus(status: number | undefined): Failure | undefined {
  if (status === undefined || status < 400) return undefined
  return { cause: status < 500 ? 'service-rejected' : 'service-error' }
}

function causeOfConnection({ cause }: Error): Failure {
  const code = codeOf(cause)
  const detail = detailOf(cause)
  const { syscall, message } = (cause ?? {}) as Partial<NodeJS.ErrnoException>
  if (isLocalResourceExhaustion({ cause } as Error)) return { cause: 'resources-exhausted', detail }
  if (syscall?.startsWith('getaddrinfo') || syscall?.startsWith('query'))
    return { cause: 'dns-failed', detail }
  if (BY_CODE[code] !== undefined) return { cause: BY_CODE[code], detail }
  if (isTlsFailure(code)) return { cause: 'tls-failed', detail }
  if (code.startsWith('HPE_') || isNotHttp(message)) return { cause: 'invalid-response', detail }
  return { cause: 'connection-reset', detail }
}

/** OpenSSL's codes of certificates have no prefix: https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/ */
function isTlsFailure(code: string): boolean {
  return /^ERR_(SSL|TLS)_|CERT|^EPROTO$|^HOSTNAME_MISMATCH$|^UNABLE_TO_|^INVALID_(CA|PURPOSE)$/.test(code)
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code ?? '')
}

function detailOf(error: unknown): string | undefined {
  const message = (error as { message?: unknown } | undefined)?.message
  return typeof message === 'string' && message !== '' ? message.slice(0, MAX_DETAIL) : undefined
}
