import type { FastifyRequest } from 'fastify'
import type { Static, TSchema } from 'typebox'
import type { User } from '../auth/user.ts'
import { type Fault, faultsOf } from '../http/json/faults.ts'
import { type Problem, type ProblemError, problemOf } from '../http/problem.ts'
import type {
  AnyTransformRoute,
  RequestOf,
  TransformRequest,
  TransformRoute
} from '../proxy/transform-route.ts'
import { type Pointers, renamePointers } from './pointers.ts'

/**
 * The difference between a route of one version and the same route of the next version.
 *
 * ```ts
 * const placeOrderV1 = step(placeOrderV2, {
 *   request: { body: NewOrderV1, toNext: ({ body }) => ({ body: { lines: body.orderItems.map(toLine) } }) },
 *   response: { schema: OrderV1, fromNext: order => ({ …, total: order.total.amount }) },
 *   faults: { '/body/lines': '/body/orderItems' }
 * })
 * app.transform(placeOrderV1)
 * ```
 *
 * Omitted members are those of the next version. The compiler requires them where the shapes differ.
 */
export interface Step<
  NextBody extends TSchema,
  NextParams extends TSchema,
  NextQuery extends TSchema,
  NextHeaders extends TSchema,
  NextResponse extends TSchema,
  Body extends TSchema,
  Params extends TSchema,
  Query extends TSchema,
  RequestHeaders extends TSchema,
  Response extends TSchema,
  Identity extends User | undefined
> {
  /** Path in the older version. */
  url?: string
  request?: {
    body?: Body
    params?: Params
    querystring?: Query
    headers?: RequestHeaders
    /** Returns the parts of the request that differ, as the next version takes them. */
    toNext(
      request: TransformRequest<Body, Params, Query, RequestHeaders, Identity>
    ): NextParts<NextBody, NextParams, NextQuery, NextHeaders> &
      RequireIfDifferent<'body', Body, NextBody> &
      RequireIfDifferent<'params', Params, NextParams> &
      RequireIfDifferent<'query', Query, NextQuery> &
      RequireIfDifferent<'headers', RequestHeaders, NextHeaders>
  }
  response?: {
    schema: Response
    /** Returns the older version's response. */
    fromNext(response: Static<NextResponse>, request: RequestOf<Identity>): Static<Response>
  }
  /**
   * JSON pointers of the next version's faults, mapped to the older version; `*` stands for any index. The longest pointer
   * that fits counts. What follows it stays: `/body/lines/0/sku` becomes `/body/orderItems/0/sku`.
   */
  faults?: {
    [Path in FaultPaths<NextBody, NextParams, NextQuery, NextHeaders>]?: FaultPaths<
      Body,
      Params,
      Query,
      RequestHeaders
    >
  }
  /** Maps the other members of an error, after `faults`. */
  problem?(problem: Problem): Problem
}

interface NextParts<
  Body extends TSchema,
  Params extends TSchema,
  Query extends TSchema,
  RequestHeaders extends TSchema
> {
  body?: Static<Body>
  params?: Static<Params>
  query?: Static<Query>
  headers?: Static<RequestHeaders>
}

/** Makes a part mandatory unless the next version takes the older version's as it is. */
type RequireIfDifferent<Part extends string, Older extends TSchema, Next extends TSchema> =
  Static<Older> extends Static<Next> ? unknown : { [Name in Part]: unknown }

type FaultPaths<
  Body extends TSchema,
  Params extends TSchema,
  Query extends TSchema,
  RequestHeaders extends TSchema
> =
  | Pointers<Static<Body>, '/body'>
  | Pointers<Static<Params>, '/params'>
  | Pointers<Static<Query>, '/querystring'>
  | Pointers<Static<RequestHeaders>, '/headers'>

/**
 * Returns a route of an older version, made from the same route of the next version, for `app.transform` or for another
 * step.
 *
 * A request is validated by the older schemas, mapped by `toNext`, and validated by the next version's schemas. Then the
 * next version's functions run, so the service is called once. The response is mapped by `fromNext` and serialized by the
 * older schema.
 */
export function step<
  NextBody extends TSchema,
  NextParams extends TSchema,
  NextQuery extends TSchema,
  NextHeaders extends TSchema,
  UpstreamResponse extends TSchema,
  NextResponse extends TSchema,
  Body extends TSchema = NextBody,
  Params extends TSchema = NextParams,
  Query extends TSchema = NextQuery,
  RequestHeaders extends TSchema = NextHeaders,
  Response extends TSchema = NextResponse,
  Identity extends User | undefined = User | undefined
>(
  next: TransformRoute<
    NextBody,
    NextParams,
    NextQuery,
    NextHeaders,
    UpstreamResponse,
    NextResponse,
    Identity
  >,
  older: Step<
    NextBody,
    NextParams,
    NextQuery,
    NextHeaders,
    NextResponse,
    Body,
    Params,
    Query,
    RequestHeaders,
    Response,
    Identity
  >
): TransformRoute<Body, Params, Query, RequestHeaders, UpstreamResponse, Response, Identity>

export function step(
  next: AnyTransformRoute,
  { url, request, response, faults, problem }: AnyStep
): AnyTransformRoute {
  /** Each request as the next version sees it. */
  const views = new WeakMap<FastifyRequest, FastifyRequest>()
  const { toNext, ...schemas } = request ?? {}
  const rename = faults && renamePointers(faults as Record<string, string>)

  return {
    ...next,
    ...schemas,
    ...(url !== undefined && { url }),
    ...(response && { response: response.schema }),
    toUpstream(original) {
      const parts = toNext?.(original)
      try {
        if (parts === undefined) return next.toUpstream(original)
        const view = viewOf(original, parts, next)
        views.set(original, view)
        return next.toUpstream(view)
      } catch (error) {
        throw toOlder(error as Error, original)
      }
    },
    toClient(received, original) {
      let nextResponse: unknown
      try {
        nextResponse = next.toClient(received, views.get(original) ?? original)
      } catch (error) {
        throw toOlder(error as Error, original)
      }
      return response ? response.fromNext(nextResponse, original) : nextResponse
    },
    toError(error, original) {
      const nextError = next.toError ? next.toError(error, views.get(original) ?? original) : error
      return toOlder(nextError, original)
    }
  }

  /** Returns the error with the next version's problem, mapped to the older version. */
  function toOlder(error: Error, { id }: FastifyRequest): Error {
    if (rename === undefined && problem === undefined) return error
    let mapped = problemOf(error as ProblemError, id)
    if (rename !== undefined && mapped.errors) mapped = { ...mapped, errors: mapped.errors.map(rename) }
    if (problem !== undefined) mapped = problem(mapped)
    const { code, headers } = error as ProblemError
    return Object.assign(new Error(mapped.title, { cause: error }), {
      statusCode: mapped.status,
      code,
      headers,
      problem: mapped
    })
  }
}

// biome-ignore format: one line is easier to read
type AnyStep = Step<TSchema, TSchema, TSchema, TSchema, TSchema, TSchema, TSchema, TSchema, TSchema, TSchema, User | undefined>

const SCHEMA_OF = { body: 'body', params: 'params', query: 'querystring', headers: 'headers' } as const

/**
 * Returns the request with other parts, which are valid for `route`.
 * @throws FST_ERR_VALIDATION with the faults of all parts
 */
function viewOf(
  request: FastifyRequest,
  parts: { [Part in keyof typeof SCHEMA_OF]?: unknown },
  route: AnyTransformRoute
): FastifyRequest {
  const view = Object.create(request) as FastifyRequest
  const faults: Fault[] = []
  for (const [part, schemaName] of Object.entries(SCHEMA_OF) as [keyof typeof parts, 'body'][]) {
    const value = parts[part]
    if (value === undefined) continue
    const schema = route[schemaName]
    if (schema !== undefined) {
      const validate = request.compileValidationSchema(schema as never, schemaName)
      if (!validate(value)) faults.push(...faultsOf(validate.errors ?? [], schemaName))
    }
    Object.defineProperty(view, part, { value })
  }
  if (faults.length === 0) return view
  throw Object.assign(new Error('Validation failed'), {
    statusCode: 400,
    code: 'FST_ERR_VALIDATION',
    validation: [],
    faults
  })
}
