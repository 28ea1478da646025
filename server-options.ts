import { type FastifyServerOptions, LogController } from 'fastify'
import { createClientErrorHandler } from './http/client-error.ts'
import { toOriginForm } from './http/host.ts'
import { Http1Response } from './http/http1-response.ts'
import { Http2Response } from './http/http2-response.ts'
import { buildSerializer } from './http/json/serializer.ts'
import { buildValidator } from './http/json/validator.ts'
import { listenerOptions } from './http/listener.ts'
import { sendProblem } from './http/problem.ts'
import { createRequestIds } from './http/request-ids.ts'
import { RecordedHttp2Response, RecordedResponse } from './observe/recorder/response.ts'
import { completeOptions } from './schemas/options/complete.ts'
import type { Input } from './schemas/options/defaults.ts'
import { ServerOptions } from './schemas/options/server.ts'

/**
 * Returns options for the Fastify constructor. Some plugins need them, since plugins come too late to choose the server:
 *
 * - `recorder`: a response class that keeps what is sent
 * - `strictHttp`: duplicate headers joined instead of dropped, absolute targets, and `Host` left to the plugin
 * - `http2`, `tls`: the listener
 *
 * They also set request ids, timeouts, problem responses for requests that Node's parser rejects, and validators and
 * serializers that keep numbers exact.
 *
 * ```ts
 * const app = Fastify({ ...serverOptions({ trustProxy: ['10.0.0.0/8'] }), logger: true })
 * ```
 */
export function serverOptions(options: Input<typeof ServerOptions> = {}): FastifyServerOptions {
  const { tls, http2, http, trustProxy, bodyLimit, recorder } = completeOptions(
    ServerOptions,
    options,
    'serverOptions'
  )
  const { headersTimeout, requestTimeout, keepAliveTimeout, maxHeaderSize } = http
  return {
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: trustProxy.length > 0 && trustProxy,
    bodyLimit,
    requestTimeout,
    keepAliveTimeout,
    http: {
      headersTimeout: Math.min(headersTimeout, requestTimeout),
      requestTimeout,
      connectionsCheckingInterval: Math.min(headersTimeout, requestTimeout, 2_000),
      maxHeaderSize,
      // Join duplicate headers instead of letting Node drop the second, so that strictHttp can reject them.
      joinDuplicateHeaders: true,
      // strictHttp answers with a problem and closes the connection; Node would parse on behind the bad request.
      requireHostHeader: false,
      ServerResponse: recorder ? RecordedResponse : Http1Response
    },
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestIdHeader: false,
    rewriteUrl: toOriginForm,
    genReqId: createRequestIds(),
    // No hook has seen the request, so its framing is not checked.
    frameworkErrors: (error, request, reply) =>
      sendProblem(error, request, reply.header('connection', 'close')) as never,
    clientErrorHandler: createClientErrorHandler(),
    schemaController: { compilersFactory: { buildValidator, buildSerializer } as never },
    ...listenerOptions({ tls, http2 }, http, recorder ? RecordedHttp2Response : Http2Response)
  } as FastifyServerOptions
}
