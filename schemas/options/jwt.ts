import Type from 'typebox'
import { withDefault } from './defaults.ts'
import { TrustedUrl } from './url.ts'

/** One claim, or several: the first that the token has counts. Dots lead into objects: `realm_access.roles`. */
const ClaimNames = Type.Union([
  Type.String({ minLength: 1 }),
  Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 8 })
])

/**
 * Claims that the members of `request.user` are read from. Lists may also be strings separated by spaces. Defaults: the
 * claim of the same name; for `permissions`: `permissions`, `scope`, `scp`.
 */
export const ClaimOptions = Type.Object(
  {
    email: Type.Optional(ClaimNames),
    roles: Type.Optional(ClaimNames),
    permissions: Type.Optional(ClaimNames),
    tier: Type.Optional(ClaimNames)
  },
  { additionalProperties: false }
)
export type ClaimOptions = Type.Static<typeof ClaimOptions>

const members = {
  /** `iss` of the tokens. */
  issuer: TrustedUrl(),
  /** URL of the key set. Default: found by OpenID Connect discovery. */
  jwksUri: Type.Optional(TrustedUrl()),
  /** `aud` of the tokens, alone or among others. */
  audience: Type.String({ minLength: 1 }),
  /** Milliseconds by which clocks may differ. */
  clockTolerance: withDefault(Type.Integer({ minimum: 0 }), 1_000),
  /** Verified tokens that are kept at most; 0 verifies a token on each request. */
  cache: withDefault(Type.Integer({ minimum: 0 }), 10_000),
  claims: Type.Optional(ClaimOptions),
  jwks: withDefault(
    Type.Object(
      {
        /** Milliseconds after which the keys are fetched again in the background. */
        refreshAfter: withDefault(Type.Integer({ minimum: 1 }), 300_000),
        /** Milliseconds for which keys are used while the issuer is unavailable. */
        maxStale: withDefault(Type.Integer({ minimum: 1 }), 3_600_000),
        /** Milliseconds between fetches for unknown keys. Each address may cause three more, all addresses twelve. */
        cooldown: withDefault(Type.Integer({ minimum: 1 }), 5_000),
        /** Milliseconds for one fetch. */
        timeout: withDefault(Type.Integer({ minimum: 1 }), 5_000)
      },
      { additionalProperties: false }
    ),
    {}
  )
}

/** An issuer in a config. */
export const IssuerOptions = Type.Object(members, { additionalProperties: false })
export type IssuerOptions = Type.Static<typeof IssuerOptions>

/** Options of the jwt plugin. */
export const JwtOptions = Type.Object(
  {
    /** Name of the issuer in logs and consumer names. Default: host and path of its URL, such as `auth.example.com`. */
    name: Type.Optional(Type.String({ pattern: '^[a-z0-9][a-z0-9.-]{0,127}$' })),
    ...members
  },
  { additionalProperties: false }
)
export type JwtOptions = Type.Static<typeof JwtOptions>
