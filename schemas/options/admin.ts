import Type from 'typebox'
import { withDefault } from './defaults.ts'

/** Characters of the admin token. */
export const MAX_ADMIN_TOKEN = 4_096

const HostName = Type.Refine(
  Type.String(),
  value => /^[\w.-]{1,253}$/.test(value),
  () => 'must be a host name without port, such as gateway-admin.shop.svc'
)

export const AdminOptions = Type.Object(
  {
    host: withDefault(Type.String({ minLength: 1 }), '127.0.0.1'),
    port: withDefault(Type.Integer({ minimum: 0, maximum: 65_535 }), 8081),
    /** Names by which clients reach the listener, besides IP addresses, `localhost` and `host`. */
    hosts: withDefault(Type.Array(HostName, { maxItems: 100 }), []),
    /** Bearer token that all paths but `/livez` and `/readyz` require. */
    token: Type.Optional(
      Type.String({ minLength: 16, maxLength: MAX_ADMIN_TOKEN, pattern: '^[\\x21-\\x7e]+$' })
    )
  },
  { additionalProperties: false }
)
