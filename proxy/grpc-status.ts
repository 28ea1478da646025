import type { Exchange } from '../http/exchange.ts'
import type { Headers } from './call-types.ts'

/** Converts between statuses of gRPC and HTTP. */

/** https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md, in more detail. */
const GRPC: Record<number, number> = {
  400: 3,
  401: 16,
  403: 7,
  404: 12,
  405: 12,
  408: 4,
  413: 8,
  429: 8,
  499: 1,
  500: 13,
  501: 12,
  502: 14,
  503: 14,
  504: 4
}
const UNKNOWN = 2

/**
 * HTTP status by the number of the gRPC status, as in Envoy (Grpc::Utility::grpcToHttpStatus), except for UNIMPLEMENTED:
 * any client can call a method that does not exist, so no breaker should count it.
 */
const HTTP = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 404, 500, 503, 500, 401]

export function toGrpcStatus(httpStatus: number): number {
  return GRPC[httpStatus] ?? UNKNOWN
}

function toHttpStatus(grpcStatus: number): number {
  return HTTP[grpcStatus] ?? 500
}

/** Sets the gRPC status of an exchange, and the HTTP status that stands for it in logs and metrics. */
export function setGrpcStatus(exchange: Exchange, grpcStatus: number | undefined): void {
  exchange.grpcStatus = grpcStatus
  exchange.outcomeStatus = grpcStatus === undefined ? undefined : toHttpStatus(grpcStatus)
}

/**
 * Returns the HTTP status that stands for the outcome of a response. For gRPC it is in the trailers, or in the headers of a
 * response without a body; without a `grpc-status` the HTTP status counts.
 */
export function outcomeStatus(
  exchange: Exchange,
  statusCode: number,
  headers: Headers,
  trailers: Headers = {}
): number {
  if (!exchange.isGrpc) return statusCode
  const status = readGrpcStatus(trailers) ?? readGrpcStatus(headers)
  setGrpcStatus(exchange, status)
  return status === undefined ? statusCode : toHttpStatus(status)
}

/** Returns undefined without a status, UNKNOWN for an invalid one, as clients do. */
function readGrpcStatus({ 'grpc-status': status }: Headers): number | undefined {
  if (status === undefined) return undefined
  return /^\d{1,2}$/.test(String(status)) ? Number(status) : UNKNOWN
}
