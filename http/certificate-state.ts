import { X509Certificate } from 'node:crypto'

/** A certificate that the gateway shows to clients or services. */
export interface CertificateState {
  /** `listener`, or `upstream NAME` for a client certificate. */
  usedBy: string
  /** Common name of the subject; its other names if it has none. */
  subject: string
  /** Alternative names, such as `DNS:example.com`. */
  names: string[]
  issuer: string
  /** ISO instants. */
  validFrom: string
  expiresAt: string
  /** SHA-256. */
  fingerprint: string
}

const MAX_NAMES = 100

/** Describes the first certificate of a chain; undefined if it cannot be read. */
export function certificateState(pem: string, usedBy: string): CertificateState | undefined {
  try {
    const certificate = new X509Certificate(pem)
    const names = certificate.subjectAltName?.split(', ').slice(0, MAX_NAMES) ?? []
    return {
      usedBy,
      subject: commonName(certificate.subject) ?? names[0] ?? '',
      names,
      issuer: commonName(certificate.issuer) ?? certificate.issuer ?? '',
      validFrom: certificate.validFromDate.toISOString(),
      expiresAt: certificate.validToDate.toISOString(),
      fingerprint: certificate.fingerprint256
    }
  } catch {
    return undefined
  }
}

function commonName(name: string | undefined): string | undefined {
  return /^CN=(.*)$/m.exec(name ?? '')?.[1]
}
