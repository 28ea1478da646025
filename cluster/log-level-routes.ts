import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import type { Operator } from '../admin/sessions.ts'
import { createProblem } from '../http/problem.ts'
import { LogOptions } from '../schemas/options/log.ts'
import type { Cluster } from './cluster-types.ts'
import { parseUntil, Until } from './until.ts'

const LogSilent = createProblem(
  'SLUICE_LOG_SILENT',
  'log.level of the configuration is silent, so there is no logger whose level could be set',
  409
)

const LevelChange = Type.Object(
  {
    level: Type.Enum(LogOptions.properties.level.enum),
    /** Default: the next start. */
    until: Type.Optional(Until)
  },
  { additionalProperties: false }
)

/** Serves `/log-level`: reads, sets and resets the level of all processes. */
export async function logLevelRoutes(admin: FastifyInstance, { cluster }: { cluster: Cluster }) {
  const { logLevel } = cluster
  admin.addHook('onRoute', route => {
    route.config = { ...route.config, isPrivate: true }
  })

  admin.get('/log-level', () => logLevel.status())
  admin.put('/log-level', { schema: { body: LevelChange } }, ({ body, operator }) => {
    const { level, until } = body as Static<typeof LevelChange>
    const endsAt = until === undefined ? undefined : parseUntil(until)
    if (logLevel.status().configured === 'silent') throw new LogSilent()
    logLevel.set(level, endsAt, operator as Operator)
    return logLevel.status()
  })
  admin.delete('/log-level', ({ operator }) => {
    logLevel.reset(operator as Operator)
    return logLevel.status()
  })
}
