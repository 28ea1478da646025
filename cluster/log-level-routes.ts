import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import type { Operator } from '../admin/sessions.ts'
import { createProblem } from '../http/problem.ts'
import { LogOptions } from '../schemas/options/log.ts'
import type { Cluster } from './cluster-types.ts'

const BadUntil = createProblem('SLUICE_BAD_UNTIL', 'until must be in the future, and within 7 days', 400)
const LogSilent = createProblem(
  'SLUICE_LOG_SILENT',
  'log.level of the configuration is silent, so there is no logger whose level could be set',
  409
)

const LevelChange = Type.Object(
  {
    level: Type.Enum(LogOptions.properties.level.enum),
    /** ISO instant. Default: until the next start. */
    until: Type.Optional(Type.String({ format: 'date-time', maxLength: 40 }))
  },
  { additionalProperties: false }
)

/** Milliseconds. */
const LONGEST = 604_800_000

/** Serves `/log-level`: reads, sets and resets the level of all processes. */
export async function logLevelRoutes(admin: FastifyInstance, { cluster }: { cluster: Cluster }) {
  const { logLevel } = cluster
  admin.addHook('onRoute', route => {
    route.config = { ...route.config, isPrivate: true }
  })

  admin.get('/log-level', () => logLevel.status())
  admin.put('/log-level', { schema: { body: LevelChange } }, ({ body, operator }) => {
    const { level, until } = body as Static<typeof LevelChange>
    const at = until === undefined ? undefined : Date.parse(until)
    const left = at === undefined ? 1 : at - Date.now()
    if (!(left > 0 && left <= LONGEST)) throw new BadUntil()
    if (logLevel.status().configured === 'silent') throw new LogSilent()
    logLevel.set(level, at, operator as Operator)
    return logLevel.status()
  })
  admin.delete('/log-level', ({ operator }) => {
    logLevel.reset(operator as Operator)
    return logLevel.status()
  })
}
