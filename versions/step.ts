import type { FastifyRequest } from 'fastify'
import type { Static, TSchema } from 'typebox'
import { type Fault, faultsOf } from '../http/json/faults.ts'
import { type Problem, type ProblemError, problemOf } from '../http/problem.ts'
import type { AnyRoute, TransformRequest, TransformRoute } from '../plugins/transform.ts'
import { type Pointers, renamePointers } from './pointers.ts'

/**
 * An older version of a transformation's route, as a step from the next one.
 *
 * ```ts
 * export const placeOrderV1 = step(placeOrderV2, {
 *   request: { body: NewOrderV1, up: ({ body }) => ({ body: { lines: body.orderItems.map(toLine) } }) },
 *   response: { schema: OrderV1, down: order => ({ …, total: order.total.amount }) },
 *   faults: { '/body/lines': '/body/orderItems' }
 * })
 * ```
 *
 * The result is a route like any other: for `app.transform`, or for the step before it. A request is validated by the
 * older schemas, mapped up, validated by the next ones, and goes the way of the next version, whose functions are called
 * and not its URL; the answer is mapped down, and serialized by the older schema. What a step leaves out is as it is in
 * the next version, and where the shapes differ the compiler asks for it.
 */
export interface Step<
  NextBody extends TSchema,
  NextParams extends TSchema,
  NextQuery extends TSchema,
  NextInbound extends TSchema,
  NextResponse extends TSchema,
  Body extends TSchema,
  Params extends TSchema,
  Query extends TSchema,
  Inbound extends TSchema,
  Response extends TSchema
> {
  /** Where the older version has it, if elsewhere. */
  url?: string
  request?: {
    body?: Body
    params?: Params
    querystring?: Query
    headers?: Inbound
    /** The parts that differ, as the next version takes them. */
    up(
      request: TransformRequest<Body, Params, Query, Inbound>
    ): Mapped<NextBody, NextParams, NextQuery, NextInbound> &
      Must<'body', Body, NextBody> &
      Must<'params', Params, NextParams> &
      Must<'query', Query, NextQuery> &
      Must<'headers', Inbound, NextInbound>
  }
  response?: {
    schema: Response
    down(response: Static<NextResponse>, request: FastifyRequest): Static<Response>
  }
  /**
   * Where what the next version calls wrong is in the older one: JSON pointers, with `*` for any index. The longest that
   * fits counts, and what follows it stays.
   */
  faults?: {
    [Path in Paths<NextBody, NextParams, NextQuery, NextInbound>]?: Paths<Body, Params, Query, Inbound>
  }
  /** Everything else about an error of the next version, after `faults`. */
  problem?(problem: Problem): Problem
}

interface Mapped<
  Body extends TSchema,
  Params extends TSchema,
  Query extends TSchema,
  Inbound extends TSchema
> {
  body?: Static<Body>
  params?: Static<Params>
  query?: Static<Query>
  headers?: Static<Inbound>
}

/** What the older version takes has to be mapped if it will not do for the next. */
type Must<Name extends string, Older extends TSchema, Next extends TSchema> =
  Static<Older> extends Static<Next> ? unknown : { [Key in Name]: unknown }

type Paths<Body extends TSchema, Params extends TSchema, Query extends TSchema, Inbound extends TSchema> =
  | Pointers<Static<Body>, '/body'>
  | Pointers<Static<Params>, '/params'>
  | Pointers<Static<Query>, '/querystring'>
  | Pointers<Static<Inbound>, '/headers'>

export function step<
  NextBody extends TSchema,
  NextParams extends TSchema,
  NextQuery extends TSchema,
  NextInbound extends TSchema,
  Answer extends TSchema,
  NextResponse extends TSchema,
  Body extends TSchema = NextBody,
  Params extends TSchema = NextParams,
  Query extends TSchema = NextQuery,
  Inbound extends TSchema = NextInbound,
  Response extends TSchema = NextResponse
>(
  next: TransformRoute<NextBody, NextParams, NextQuery, NextInbound, Answer, NextResponse>,
  older: Step<
    NextBody,
    NextParams,
    NextQuery,
    NextInbound,
    NextResponse,
    Body,
    Params,
    Query,
    Inbound,
    Response
  >
): TransformRoute<Body, Params, Query, Inbound, Answer, Response>

export function step(next: AnyRoute, { url, request, response, faults, problem }: AnyStep): AnyRoute {
  /** What the next version sees of a request. */
  const views = new WeakMap<FastifyRequest, FastifyRequest>()
  const { up, ...schemas } = request ?? {}
  const rename = faults && renamePointers(faults as Record<string, string>)

  return {
    ...next,
    ...schemas,
    ...(url !== undefined && { url }),
    ...(response && { response: response.schema }),
    toUpstream(seen) {
      const parts = up?.(seen)
      try {
        if (parts === undefined) return next.toUpstream(seen)
        const view = viewOf(seen, parts, next)
        views.set(seen, view)
        return next.toUpstream(view)
      } catch (error) {
        throw toOlder(error as Error, seen)
      }
    },
    toClient(answer, seen) {
      let answered: unknown
      try {
        answered = next.toClient(answer, views.get(seen) ?? seen)
      } catch (error) {
        throw toOlder(error as Error, seen)
      }
      return response ? response.down(answered, seen) : answered
    },
    toError(error, seen) {
      const nexts = next.toError ? next.toError(error, views.get(seen) ?? seen) : error
      return toOlder(nexts, seen)
    }
  }

  /** The error with the problem that the next version makes of it, in the words of the older one. */
  function toOlder(error: Error, { id }: FastifyRequest): Error {
    if (rename === undefined && problem === undefined) return error
    let told = problemOf(error as ProblemError, id)
    if (rename !== undefined && told.errors) told = { ...told, errors: told.errors.map(rename) }
    if (problem !== undefined) told = problem(told)
    const { code, headers } = error as ProblemError
    return Object.assign(new Error(told.title, { cause: error }), {
      statusCode: told.status,
      code,
      headers,
      problem: told
    })
  }
}

// biome-ignore format: one line says as much
type AnyStep = Step<TSchema, TSchema, TSchema, TSchema, TSchema, TSchema, TSchema, TSchema, TSchema, TSchema>

const SCHEMA_OF = { body: 'body', params: 'params', query: 'querystring', headers: 'headers' } as const

/**
 * Returns the same request with other parts, which are valid for `route`.
 * @throws what Fastify throws for a request that is not, with the faults of all parts.
 */
function viewOf(
  request: FastifyRequest,
  parts: { [Part in keyof typeof SCHEMA_OF]?: unknown },
  route: AnyRoute
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
