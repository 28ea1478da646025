import { parseArgs } from 'node:util'
import closeWithGrace from 'close-with-grace'
import { buildAdmin } from './admin.ts'
import { DEFAULT_FILE, explainFailure, loadConfig } from './cli/config.ts'
import { buildGateway } from './gateway.ts'

/** The process: arguments, configuration, listening, signals. What cannot start says why, in words, and exits with 1. */
if (import.meta.main) {
  try {
    const { values } = parseArgs({ options: { config: { type: 'string', default: DEFAULT_FILE } } })
    await start(values)
  } catch (error) {
    console.error(explainFailure(error))
    process.exit(1)
  }
}

/** Runs the gateway of a config file until the process is told to stop. Resolves once it listens. */
export async function start({ config: file }: { config: string }): Promise<void> {
  const config = await loadConfig(file, process.env)
  const gateway = await buildGateway(config)
  let isDraining = false
  const admin = await buildAdmin(gateway, () => isDraining, config.admin)

  closeWithGrace({ delay: config.drain, logger: gateway.log }, async ({ err, signal }) => {
    if (err) gateway.log.fatal({ err }, 'the gateway fails')
    else gateway.log.info({ signal }, 'the gateway stops')
    isDraining = true
    await gateway.close()
    await admin.close()
  })

  // In this order, so that who is told that the gateway is ready finds it listening.
  const { host, port } = config.listen
  await gateway.listen({ host, port })
  await admin.listen({ host: config.admin.host, port: config.admin.port })
}
