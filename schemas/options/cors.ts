import Type from 'typebox'
import { withDefault } from './defaults.ts'

import { Token } from './token.ts'

const Origin = Type.Refine(
  Type.String(),
  value => value === '*' || (URL.canParse(value) && new URL(value).origin === value),
  () => 'must be an origin such as https://app.example, or *'
)

export const CorsOptions = Type.Refine(
  Type.Object(
    {
      /** Origins whose pages may read responses. */
      origins: Type.Array(Origin, { minItems: 1 }),
      methods: withDefault(Type.Array(Token), ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']),
      /** Request headers that pages may set. */
      headers: withDefault(Type.Array(Token), ['Authorization', 'Content-Type']),
      /** Response headers that pages may read. */
      expose: withDefault(Type.Array(Token), [
        'RateLimit',
        'RateLimit-Policy',
        'Retry-After',
        'X-Request-Id'
      ]),
      /** Allows cookies and other credentials. */
      credentials: withDefault(Type.Boolean(), false),
      /** Seconds for which a browser may cache a preflight response. */
      maxAge: withDefault(Type.Integer({ minimum: 0 }), 600)
    },
    { additionalProperties: false }
  ),
  ({ origins, credentials }) => !(credentials && origins.includes('*')),
  () => 'must name its origins if it allows credentials'
)
export type CorsOptions = Type.Static<typeof CorsOptions>
