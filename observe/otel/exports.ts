import type { FastifyBaseLogger } from 'fastify'

/** Result of an export: 0 for a success. */
interface ExportResult {
  code: number
  error?: Error
}

/**
 * Returns a function that logs the first export that fails, and the first that works again.
 * @param what is exported, in the plural
 */
export function createExportLog(log: FastifyBaseLogger, what: string): (result: ExportResult) => void {
  let isDown = false
  return ({ code, error }) => {
    const hasFailed = code !== 0
    if (hasFailed && !isDown)
      log.warn(
        { reason: error?.message },
        `${what} cannot be exported and are dropped; is the collector of OTEL_EXPORTER_OTLP_ENDPOINT up?`
      )
    else if (!hasFailed && isDown) log.info(`${what} are exported again`)
    isDown = hasFailed
  }
}

/** Milliseconds that the end of a process waits for the last export. */
const CLOSE_TIME = 1_000

/** Waits for `CLOSE_TIME` at most: a collector that is down must not delay the end of the process. */
export async function inTime(closed: Promise<void>): Promise<void> {
  const ended = Promise.withResolvers<void>()
  const timer = setTimeout(ended.resolve, CLOSE_TIME)
  await Promise.race([closed.catch(() => {}), ended.promise])
  clearTimeout(timer)
}
