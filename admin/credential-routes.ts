import type { FastifyInstance } from 'fastify'
import { type IssuerState, issuerStates } from '../auth/issuers.ts'
import { type CertificateState, certificateState } from '../http/certificate-state.ts'

/** Certificates of a gateway, and the issuers whose tokens it accepts. */
export interface Credentials {
  certificates: CertificateState[]
  issuers: IssuerState[]
}

/** Serves `/credentials`: certificates of the listener and of upstreams, and the issuers with their keys. */
export async function credentialRoutes(admin: FastifyInstance, { gateway }: { gateway: FastifyInstance }) {
  admin.get('/credentials', { config: { isPrivate: true } }, () => credentialsOf(gateway))
}

function credentialsOf(gateway: FastifyInstance): Credentials {
  const upstreams = Object.entries(gateway.built?.config.upstreams ?? {})
  const certificates = [
    gateway.certificate?.(),
    ...upstreams.map(([name, { tls }]) => tls?.cert && certificateState(tls.cert, `upstream ${name}`))
  ]
  return {
    certificates: certificates.filter(certificate => typeof certificate === 'object'),
    issuers: issuerStates(gateway)
  }
}
