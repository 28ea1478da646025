import Type from 'typebox'
import { isInstant } from './dates.ts'
import { withDefault } from './defaults.ts'
import { Named } from './named.ts'
import { Prefix, RoutesPlugin, ScopeHooks } from './routes.ts'
import { Url } from './url.ts'

/** ISO 8601 with a zone: clients in other zones would read a date without one differently. */
const Instant = Type.Refine(
  Type.String(),
  value => isInstant(value) && !Number.isNaN(Date.parse(value)),
  () => 'must be an ISO 8601 instant with its zone, such as 2027-06-30T00:00:00Z'
)

/** Excludes headers that have a meaning in HTTP, and those that the gateway sets. */
const SELECTING_HEADER =
  /^(?!(accept|authorization|connection|content-length|content-type|cookie|forwarded|host|transfer-encoding|upgrade|via)$|x-(user|forwarded)-)[a-z0-9-]{1,64}$/i

/** Sources besides the path that select a version. */
export const VersionSources = Type.Object(
  {
    /** Name of a header, such as `Accept-Version`. */
    header: Type.Optional(
      Type.Refine(
        Type.String(),
        value => SELECTING_HEADER.test(value),
        () => 'must be a header of its own, such as accept-version'
      )
    ),
    /** Name of a parameter of the media types in `Accept`: `version` for `application/json;version=2`. */
    mediaType: Type.Optional(Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$' })),
    /** Name of a query parameter: `version` for `?version=2`. */
    query: Type.Optional(Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_-]{0,31}$' })),
    /** Version of a request that names none. Without it, such a request gets 400. */
    default: Type.Optional(Type.String())
  },
  { additionalProperties: false }
)
export type VersionSources = Type.Static<typeof VersionSources>

export const VersionOptions = Type.Object(
  {
    /** Fastify plugin with the version's routes. */
    routes: RoutesPlugin,
    /** Instant from which it should not be used (RFC 9745). May be in the future. */
    deprecated: Type.Optional(Instant),
    /** Instant of its end (RFC 8594). From then on it answers 410. */
    sunset: Type.Optional(Instant),
    /** Version to use instead. Default: the next one. */
    successor: Type.Optional(Type.String()),
    /** URLs of pages for people. */
    links: withDefault(
      Type.Object(
        {
          deprecation: Type.Optional(Url('https:', 'http:')),
          sunset: Type.Optional(Url('https:', 'http:'))
        },
        { additionalProperties: false }
      ),
      {}
    ),
    /** Times at which it answers 410 for a while, so that its remaining users notice. */
    brownouts: withDefault(
      Type.Array(
        Type.Object(
          {
            from: Instant,
            to: Instant,
            /** Milliseconds after which the brownout repeats, until the sunset. */
            every: Type.Optional(Type.Integer({ minimum: 1_000 }))
          },
          { additionalProperties: false }
        )
      ),
      []
    )
  },
  { additionalProperties: false }
)
export type VersionOptions = Type.Static<typeof VersionOptions>

/** Options of the plugin `versions`. */
export const VersionsOptions = Type.Object(
  {
    /** Name of the API in metrics, logs and `GET /versions`. Default: the prefix. */
    name: Type.Optional(Type.String({ minLength: 1 })),
    /** Path of the API. `{version}` stands for the name of each version. */
    prefix: Prefix,
    /** By name, oldest first. */
    versions: Named(VersionOptions),
    /** Sources besides the path that select a version. */
    version: withDefault(VersionSources, {}),
    /** Registers hooks that run before the version is checked, such as CORS and a limit by address. */
    beforeVersion: Type.Optional(ScopeHooks),
    /** Registers authentication. An ended version answers 410 after it, and the consumer is counted. */
    authenticate: Type.Optional(ScopeHooks)
  },
  { additionalProperties: false }
)
export type VersionsOptions = Type.Static<typeof VersionsOptions>
