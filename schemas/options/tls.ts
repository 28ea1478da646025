import { createPrivateKey, X509Certificate } from 'node:crypto'
import Type from 'typebox'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** One or more, as a chain or a bundle. */
const Certificates = Type.Refine(
  Type.String(),
  value => {
    const certificates = value.match(CERTIFICATE) ?? []
    return certificates.length > 0 && certificates.every(pem => attempt(() => new X509Certificate(pem)))
  },
  () => 'must be certificates in PEM'
)

export const TlsOptions = Type.Object(
  {
    /** PEM of the authorities to trust instead of the system's. */
    ca: Type.Optional(Certificates),
    /** PEM of the gateway's own certificate and of what leads to its authority, for services that ask for one. */
    cert: Type.Optional(Certificates),
    /** PEM of its private key, without a passphrase. */
    key: Type.Optional(
      Type.Refine(
        Type.String(),
        value => attempt(() => createPrivateKey(value)),
        () => 'must be a private key in PEM, without a passphrase'
      )
    ),
    /** The name that is asked for and that the service's certificate must have, if not that of the URL. */
    servername: Type.Optional(
      Type.Refine(
        Type.String(),
        value => /^[a-z\d]([a-z\d-]*[a-z\d])?(\.[a-z\d]([a-z\d-]*[a-z\d])?)*$/i.test(value),
        () => 'must be a host name'
      )
    )
  },
  { additionalProperties: false }
)

/** Returns faults of certificate and key that the schema cannot find: both are needed, and must belong together. */
export function tlsFaults({ cert, key }: Record<string, unknown>): { path: string; message: string }[] {
  if ((cert === undefined) !== (key === undefined)) {
    const [missing, given] = cert === undefined ? ['cert', 'key'] : ['key', 'cert']
    return [{ path: `/${missing}`, message: `is missing: it is required with ${given}` }]
  }
  if (typeof cert !== 'string' || typeof key !== 'string') return []
  let belongs = true
  attempt(() => {
    belongs = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  })
  return belongs ? [] : [{ path: '/key', message: 'is not the key of cert' }]
}

function attempt(action: () => unknown): boolean {
  try {
    action()
    return true
  } catch {
    return false
  }
}
