import { isIP } from 'node:net'
import Type from 'typebox'
import { isDroppedByDefault, isGatewaysOwn } from '../../http/header-names.ts'
import { withDefault } from './defaults.ts'

/** Patterns that a scope has by its options alone. */

const Range = Type.Refine(
  Type.String(),
  value => {
    const [address = '', bits, ...more] = value.split('/')
    const family = isIP(address)
    if (family === 0 || more.length > 0) return false
    return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
  },
  () => 'must be an address or a range such as 10.0.0.0/8 or 2001:db8::/32'
)

export const AddressesOptions = Type.Object(
  {
    /** Only these, if there are any. */
    allow: withDefault(Type.Array(Range), []),
    /** None of these, even if allowed. */
    deny: withDefault(Type.Array(Range), [])
  },
  { additionalProperties: false }
)
export type AddressesOptions = Type.Static<typeof AddressesOptions>

const Origin = Type.Refine(
  Type.String(),
  value => value === '*' || (URL.canParse(value) && new URL(value).origin === value),
  () => 'must be an origin such as https://app.example, or *'
)
const Token = Type.Refine(
  Type.String(),
  value => /^[\w!#$%&'*+.^`|~-]+$/.test(value),
  () => 'must be a token, without spaces (RFC 9110, section 5.6.2)'
)

export const CorsOptions = Type.Refine(
  Type.Object(
    {
      /** Whose pages may read answers. */
      origins: Type.Array(Origin, { minItems: 1 }),
      methods: withDefault(Type.Array(Token), ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']),
      /** Request headers that pages may set. */
      headers: withDefault(Type.Array(Token), ['Authorization', 'Content-Type']),
      /** Answer headers that pages may read. */
      expose: withDefault(Type.Array(Token), [
        'RateLimit',
        'RateLimit-Policy',
        'Retry-After',
        'X-Request-Id'
      ]),
      /** Cookies and the like, of the pages' users. */
      credentials: withDefault(Type.Boolean(), false),
      /** Seconds for which a browser may remember the answer to its preflight. */
      maxAge: withDefault(Type.Integer({ minimum: 0 }), 600)
    },
    { additionalProperties: false }
  ),
  ({ origins, credentials }) => !(credentials && origins.includes('*')),
  () => 'must name its origins to take credentials from them'
)
export type CorsOptions = Type.Static<typeof CorsOptions>

export const SecurityHeadersOptions = Type.Object(
  {
    /** Seconds for which a browser must use https; 0: not said. */
    hsts: withDefault(Type.Integer({ minimum: 0 }), 31_536_000),
    /** Content-Security-Policy: of an API, whose answers are no pages. */
    policy: withDefault(Type.Record(Type.String(), Type.Array(Type.String())), {
      'default-src': ["'none'"],
      'frame-ancestors': ["'none'"]
    })
  },
  { additionalProperties: false }
)
export type SecurityHeadersOptions = Type.Static<typeof SecurityHeadersOptions>

export const CompressOptions = Type.Object(
  {
    /** Bytes from which it is worth it. */
    threshold: withDefault(Type.Integer({ minimum: 0 }), 1_024),
    /** By preference. */
    encodings: withDefault(Type.Array(Type.Enum(['br', 'gzip']), { minItems: 1 }), ['br', 'gzip'])
  },
  { additionalProperties: false }
)
export type CompressOptions = Type.Static<typeof CompressOptions>

/** Request headers that a scope passes on although they are dropped by default. */
export const PassHeadersOptions = Type.Array(
  Type.Refine(
    Token,
    value => isDroppedByDefault(value.toLowerCase()) && !isGatewaysOwn(value.toLowerCase()),
    value =>
      `must be a header that is dropped by default, such as X-HTTP-Method-Override; ${isGatewaysOwn(value.toLowerCase()) ? 'the gateway always removes or sets this one' : 'this one passes anyway'}`
  )
)
