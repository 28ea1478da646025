import type { FastifyContextConfig } from 'fastify'
import type { Exchange, LimitDecision } from '../http/exchange.ts'
import type { Line } from '../plugins/access-log.ts'

/**
 * How an exchange went, as far as others of its route went the same way: one object stands for all of them, so that its
 * words are looked up and put together once.
 */
export class Outcome {
  readonly method: string
  readonly route: string | undefined
  readonly config: FastifyContextConfig
  readonly status: number
  readonly grpcStatus: number | undefined
  readonly tier: string | undefined
  readonly decision: LimitDecision | undefined
  readonly upstream: string | undefined
  readonly endpoint: string | undefined
  readonly attempts: number
  readonly cache: string | undefined
  /** The access log's, by their shape. */
  readonly lines: (Line | undefined)[] = []

  constructor(exchange: Exchange, method: string, status: number) {
    this.method = method
    this.status = status
    this.route = exchange.route
    this.config = exchange.config
    this.grpcStatus = exchange.grpcStatus
    this.tier = exchange.tier
    this.decision = exchange.decision
    this.upstream = exchange.upstream
    this.endpoint = exchange.endpoint
    this.attempts = exchange.attempts
    this.cache = exchange.cache
  }

  /** Of one with its config. */
  isOf(exchange: Exchange, method: string, status: number): boolean {
    return (
      this.status === status &&
      this.endpoint === exchange.endpoint &&
      this.attempts === exchange.attempts &&
      this.method === method &&
      this.decision === exchange.decision &&
      this.tier === exchange.tier &&
      this.cache === exchange.cache &&
      this.upstream === exchange.upstream &&
      this.grpcStatus === exchange.grpcStatus &&
      this.route === exchange.route
    )
  }

  /** As JSON without braces, for the log. */
  describe(): string {
    const { scope, version } = this.config
    const members = {
      method: this.method,
      route: this.route,
      scope,
      version,
      status: this.status,
      grpc: this.grpcStatus,
      ...(this.decision !== undefined && { tier: this.tier, limit: this.decision }),
      ...(this.upstream !== undefined && {
        upstream: this.upstream,
        endpoint: this.endpoint,
        attempts: this.attempts
      }),
      cache: this.cache
    }
    return JSON.stringify(members).slice(1, -1)
  }
}

/** Of an exchange that has ended. */
export function outcomeOf(exchange: Exchange, method: string, status: number): Outcome {
  let outcomes = byRoute.get(exchange.config)
  if (outcomes === undefined) {
    outcomes = []
    byRoute.set(exchange.config, outcomes)
  }
  for (const outcome of outcomes) if (outcome.isOf(exchange, method, status)) return outcome
  const outcome = new Outcome(exchange, method, status)
  if (outcomes.push(outcome) > OUTCOMES) outcomes.shift()
  return outcome
}

/** By its config; where no route was found there is one too. */
const byRoute = new WeakMap<FastifyContextConfig, Outcome[]>()

/** Of a route that are kept; others are made anew each time. */
const OUTCOMES = 8
