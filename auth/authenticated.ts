import type {
  ContextConfigDefault,
  FastifyBaseLogger,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  FastifyTypeProvider,
  FastifyTypeProviderDefault,
  HookHandlerDoneFunction,
  HTTPMethods,
  RawReplyDefaultExpression as RawReply,
  RawRequestDefaultExpression as RawRequest,
  RawServerDefault as RawServer,
  RouteGenericInterface,
  RouteHandlerMethod,
  RouteShorthandOptions
} from 'fastify'
import type { User } from './user.ts'

/**
 * The Fastify instance of a config's scope with `jwt`. In its routes and hooks `request.user` is defined.
 *
 * ```ts
 * export async function orders(app: AuthenticatedInstance) {
 *   app.get('/mine', async ({ user }) => ({ owner: user.sub }))
 * }
 * ```
 */
// AuthenticatedMethods comes first, since TypeScript tries overloads in this order.
export type AuthenticatedInstance<Provider extends FastifyTypeProvider = FastifyTypeProviderDefault> =
  AuthenticatedMethods<Provider> &
    FastifyInstance<RawServer, RawRequest, RawReply, FastifyBaseLogger, Provider>

/** A request in such a scope. */
export type AuthenticatedRequest<
  Route extends RouteGenericInterface = RouteGenericInterface,
  Schema extends FastifySchema = FastifySchema,
  Provider extends FastifyTypeProvider = FastifyTypeProviderDefault
> = FastifyRequest<Route, RawServer, RawRequest, Schema, Provider> & { readonly user: User }

declare const isAuthenticated: unique symbol

/** Fastify's own instance: a plugin for an `AuthenticatedInstance` does not take it. */
export type AnonymousInstance = FastifyInstance & { readonly [isAuthenticated]?: never }

/** Methods whose handlers get an `AuthenticatedRequest`. Patterns add theirs by declaration merging. */
export interface AuthenticatedMethods<Provider extends FastifyTypeProvider>
  extends Record<Verb, AuthenticatedRouteMethod<Provider>> {
  readonly [isAuthenticated]: true
  withTypeProvider<Other extends FastifyTypeProvider>(): AuthenticatedInstance<Other>
  route<
    Route extends RouteGenericInterface = RouteGenericInterface,
    const Schema extends FastifySchema = FastifySchema
  >(
    options: AuthenticatedOptions<Route, Schema, Provider> & {
      method: HTTPMethods | HTTPMethods[]
      url: string
      handler: Handler<Route, NoInfer<Schema>, Provider>
    }
  ): AuthenticatedInstance<Provider>
  // One literal each: TypeScript tries overloads with literals before others.
  addHook(name: 'onRequest', hook: ScopeHook<Provider>): AuthenticatedInstance<Provider>
  addHook(name: 'preValidation', hook: ScopeHook<Provider>): AuthenticatedInstance<Provider>
  addHook(name: 'preHandler', hook: ScopeHook<Provider>): AuthenticatedInstance<Provider>
}

type Verb = 'all' | 'delete' | 'get' | 'head' | 'options' | 'patch' | 'post' | 'put'

interface AuthenticatedRouteMethod<Provider extends FastifyTypeProvider> {
  <
    Route extends RouteGenericInterface = RouteGenericInterface,
    const Schema extends FastifySchema = FastifySchema
  >(
    path: string,
    handler: Handler<Route, Schema, Provider>
  ): AuthenticatedInstance<Provider>
  <
    Route extends RouteGenericInterface = RouteGenericInterface,
    const Schema extends FastifySchema = FastifySchema
  >(
    path: string,
    options: AuthenticatedOptions<Route, Schema, Provider>,
    handler: Handler<Route, NoInfer<Schema>, Provider>
  ): AuthenticatedInstance<Provider>
}

/** Later hooks run for rejected requests too, which have no user. */
type HookName = 'onRequest' | 'preValidation' | 'preHandler'

type AuthenticatedOptions<
  Route extends RouteGenericInterface,
  Schema extends FastifySchema,
  Provider extends FastifyTypeProvider
> = Omit<
  RouteShorthandOptions<RawServer, RawRequest, RawReply, Route, ContextConfigDefault, Schema, Provider>,
  HookName
> &
  AuthenticatedHooks<Route, NoInfer<Schema>, Provider>

/** Hooks of a route. */
export type AuthenticatedHooks<
  Route extends RouteGenericInterface = RouteGenericInterface,
  Schema extends FastifySchema = FastifySchema,
  Provider extends FastifyTypeProvider = FastifyTypeProviderDefault
> = { [Name in HookName]?: Hook<Route, Schema, Provider> | Hook<Route, Schema, Provider>[] }

/** Options of a pattern's route, with hooks whose requests have a user. */
export type WithAuthenticatedHooks<
  Options,
  Route extends RouteGenericInterface = RouteGenericInterface
> = Omit<Options, HookName> & AuthenticatedHooks<Route>

type ScopeHook<Provider extends FastifyTypeProvider> = Hook<RouteGenericInterface, FastifySchema, Provider>

type Hook<
  Route extends RouteGenericInterface,
  Schema extends FastifySchema,
  Provider extends FastifyTypeProvider
> = (
  this: FastifyInstance,
  request: AuthenticatedRequest<Route, Schema, Provider>,
  reply: Reply<Route, Schema, Provider>,
  done: HookHandlerDoneFunction
) => unknown

type Handler<
  Route extends RouteGenericInterface,
  Schema extends FastifySchema,
  Provider extends FastifyTypeProvider
> = (
  this: FastifyInstance,
  request: AuthenticatedRequest<Route, Schema, Provider>,
  reply: Reply<Route, Schema, Provider>
) => ReturnType<
  RouteHandlerMethod<RawServer, RawRequest, RawReply, Route, ContextConfigDefault, Schema, Provider>
>

type Reply<
  Route extends RouteGenericInterface,
  Schema extends FastifySchema,
  Provider extends FastifyTypeProvider
> = FastifyReply<Route, RawServer, RawRequest, RawReply, ContextConfigDefault, Schema, Provider>
