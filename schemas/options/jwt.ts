import Type from 'typebox'
import { withDefault } from './defaults.ts'
import { TrustedUrl } from './url.ts'

/** One claim, or several: the first that the token has counts. Dots lead into objects: `realm_access.roles`. */
const ClaimNames = Type.Union([
  Type.String({ minLength: 1 }),
  Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 8 })
])

/**
 * The claims that a user's members are read from. Lists may also be strings with spaces between. Defaults: the claim of
 * that name; for `permissions`: `permissions`, `scope`, `scp`.
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

export const IssuerOptions = Type.Object(
  {
    /** The `iss` that tokens must carry. */
    issuer: TrustedUrl(),
    /** Where the keys are; if not given, it is found by OpenID discovery. */
    jwksUri: Type.Optional(TrustedUrl()),
    /** The `aud` that tokens must carry, alone or among others. */
    audience: Type.String({ minLength: 1 }),
    /** Milliseconds by which clocks may differ. */
    clockTolerance: withDefault(Type.Integer({ minimum: 0 }), 1_000),
    /** Verified tokens remembered at most; 0: none, each is verified every time. */
    cache: withDefault(Type.Integer({ minimum: 0 }), 10_000),
    claims: Type.Optional(ClaimOptions),
    jwks: withDefault(
      Type.Object(
        {
          /** Milliseconds after which the keys are fetched again, in the background. */
          refreshAfter: withDefault(Type.Integer({ minimum: 1 }), 300_000),
          /** Milliseconds for which keys are used while the issuer cannot be reached. */
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
  },
  { additionalProperties: false }
)
export type IssuerOptions = Type.Static<typeof IssuerOptions>
