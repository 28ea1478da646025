import Type from 'typebox'
import { withDefault } from './defaults.ts'
import { RedisUrl } from './url.ts'

export const RedisOptions = Type.Object(
  {
    /** `redis://user:password@host:port/database`; `rediss://` for TLS. */
    url: RedisUrl(),
    /** Milliseconds that a request waits for Redis. */
    timeout: withDefault(Type.Integer({ minimum: 1, maximum: 60_000 }), 50)
  },
  { additionalProperties: false }
)
export type RedisOptions = Type.Static<typeof RedisOptions>
