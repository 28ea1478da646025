/**
 * The package `sluice`: the config, the patterns as Fastify plugins, and what routes are written with. Nothing else is public
 * except `sluice/testing` and `sluice/money`.
 */
export { forbidden } from './auth/token-errors.ts'
export type { User } from './auth/user.ts'
export { createProblem, type Problem, type ProblemError } from './http/problem.ts'
export { default as accessLog } from './plugins/access-log.ts'
export { default as clientAddress } from './plugins/client-address.ts'
export { type ComposeRoute, default as compose, type Part, type PartCache } from './plugins/compose.ts'
export { default as compress } from './plugins/compress.ts'
export { default as connectionLimits } from './plugins/connection-limits.ts'
export { default as cors } from './plugins/cors.ts'
export { default as drain } from './plugins/drain.ts'
export { default as exchange } from './plugins/exchange.ts'
export { default as forward, type ForwardRoute } from './plugins/forward.ts'
export { default as grpc, type GrpcRoute } from './plugins/grpc.ts'
export { default as http2 } from './plugins/http2.ts'
export { default as ipFilter } from './plugins/ip-filter.ts'
export { default as jsonBody } from './plugins/json-body.ts'
export { default as jwt, type JwtOptions } from './plugins/jwt.ts'
export { default as metrics } from './plugins/metrics.ts'
export { default as overload } from './plugins/overload.ts'
export { default as overrides, type Overrides } from './plugins/overrides.ts'
export { default as problem } from './plugins/problem.ts'
export { default as rateLimit } from './plugins/rate-limit.ts'
export { default as recorder } from './plugins/recorder.ts'
export { default as redis } from './plugins/redis.ts'
export { default as securityHeaders } from './plugins/security-headers.ts'
export { default as strictHttp } from './plugins/strict-http.ts'
export { default as tls } from './plugins/tls.ts'
export {
  default as transform,
  defineTransform,
  type InternalRequest,
  type TransformRequest,
  type TransformRoute
} from './plugins/transform.ts'
export { default as upstreams, type Register, type UpstreamName } from './plugins/upstreams.ts'
export { default as versions } from './plugins/versions.ts'
export { default as websocket, type WebSocketRoute } from './plugins/websocket.ts'
export { UpstreamInvalidResponse } from './proxy/errors.ts'
export { path } from './proxy/response-reader.ts'
export { toDayOrUtc, toUtc } from './schemas/options/dates.ts'
export { type Input, withDefault } from './schemas/options/defaults.ts'
export { ConfigError, defineGateway, type GatewayDefinition } from './schemas/options/gateway.ts'
export { RedisUrl, TrustedUrl, Url } from './schemas/options/url.ts'
export { serverOptions } from './server-options.ts'
export { step } from './versions/step.ts'
