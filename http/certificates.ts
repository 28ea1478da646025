import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { isPem, type TlsOptions } from '../schemas/options/listen.ts'

/** @throws if a file cannot be read, holds no certificate, or the key belongs to another certificate */
export function readCertificates({ cert, key, passphrase, minVersion }: TlsOptions): SecureContextOptions {
  const options = { cert: read(cert), key: read(key), passphrase, minVersion } as SecureContextOptions
  createSecureContext(options)
  return options
}

/** Rejects files without a PEM: Node takes an empty certificate for none, and then fails every handshake. */
function read(value: string): string {
  const pem = isPem(value) ? value : readFileSync(value, 'utf8')
  if (!isPem(pem)) throw new Error(`${value} contains no PEM`)
  return pem
}
