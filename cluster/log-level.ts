import type { FastifyBaseLogger } from 'fastify'
import type { Operator } from '../admin/sessions.ts'
import type { ToWorker } from './messages.ts'

export interface LogLevelStatus {
  /** In use. */
  level: string
  /** `log.level` of the config. */
  configured: string
  /** When the configured level returns, as an ISO instant. Undefined: at the next start. */
  until?: string | undefined
  /** Who has set it; undefined for the configured level. */
  by?: string
}

/** The log level of the supervisor and all workers, which an operator may change until a time or the next start. */
export interface LogLevel {
  status(): LogLevelStatus
  /** @param until epoch ms */
  set(level: string, until: number | undefined, operator: Operator): void
  /** Returns to the configured level. Returns false if it is in use. */
  reset(operator: Operator): boolean
  /** Takes over the level of a new config, and sets the supervisor's logger. A level that an operator has set stays. */
  configure(level: string): void
  /** Tells a worker that gets ready: `message` is its `ready`. */
  greet(message: unknown, reply: (message: object) => void): void
}

/**
 * @param broadcast sends a message to all workers
 * @param log the supervisor's logger
 */
export function createLogLevel(broadcast: (message: ToWorker) => void, log: FastifyBaseLogger): LogLevel {
  let configured = 'silent'
  let own: { level: string; until: number | undefined; by: string } | undefined
  let timer: NodeJS.Timeout | undefined

  return {
    status: () => ({
      level: own?.level ?? configured,
      configured,
      ...(own && {
        by: own.by,
        until: own.until === undefined ? undefined : new Date(own.until).toISOString()
      })
    }),
    set(level, until, operator) {
      clearTimeout(timer)
      own = { level, until, by: operator.name }
      note({ operator, level, until: until && new Date(until).toISOString() }, 'log level changed')
      apply()
      if (until !== undefined) timer = setTimeout(end, until - Date.now()).unref()
    },
    reset(operator) {
      if (own === undefined) return false
      end(operator)
      return true
    },
    configure(level) {
      configured = level
      // Without a logger in the workers there is nothing to set.
      if (level === 'silent') {
        own = undefined
        clearTimeout(timer)
      }
      log.level = own?.level ?? configured
    },
    greet(message, reply) {
      if (own !== undefined && (message as { type?: unknown } | null)?.type === 'ready') reply(messageOf())
    }
  }

  function end(operator?: Operator): void {
    clearTimeout(timer)
    own = undefined
    note({ operator, level: configured }, 'log level returned to the configured one')
    apply()
  }

  function apply(): void {
    log.level = own?.level ?? configured
    broadcast(messageOf())
  }

  /** Without a level, the worker uses that of its config. */
  function messageOf(): ToWorker {
    return { type: 'log-level', ...(own && { level: own.level }) }
  }

  /** Logs at any level: who has changed it must be known later. */
  function note(members: object, message: string): void {
    log.level = 'info'
    log.info(members, message)
  }
}
