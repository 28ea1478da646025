import type { FastifyInstance } from 'fastify'
import { Gauge, type Registry } from 'prom-client'
import { type IssuerState, issuerStates } from '../auth/issuers.ts'
import { type CertificateState, certificateState } from '../http/certificate-state.ts'

/** Certificates of a gateway, and the issuers whose tokens it accepts. */
export interface Credentials {
  certificates: CertificateState[]
  issuers: IssuerState[]
}

/** Returns the certificates of the listener and of upstreams, and the issuers with their keys. */
export function credentialsOf(gateway: FastifyInstance): Credentials {
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

/** Adds the ends of certificates and the state of issuers. Over several workers: the earliest and the worst. */
export function addCredentialMetrics(registry: Registry, fastify: FastifyInstance): void {
  new Gauge({
    name: 'sluice_certificate_expiry_timestamp_seconds',
    help: 'End of a certificate in epoch seconds',
    labelNames: ['used_by'],
    aggregator: 'min',
    registers: [registry],
    collect() {
      this.reset()
      for (const { usedBy, expiresAt } of credentialsOf(fastify).certificates)
        this.set({ used_by: usedBy }, Date.parse(expiresAt) / 1_000)
    }
  })
  new Gauge({
    name: 'sluice_issuer_up',
    help: '0 while the keys of an issuer cannot be fetched, else 1',
    labelNames: ['issuer'],
    aggregator: 'min',
    registers: [registry],
    collect() {
      this.reset()
      for (const { name, state } of issuerStates(fastify))
        this.set({ issuer: name }, state === 'ok' || state === 'unused' ? 1 : 0)
    }
  })
}
