import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import closeWithGrace from 'close-with-grace'
import { buildAdmin } from './admin.ts'
import { buildGateway, ConfigError, resolveConfig } from './gateway.ts'
import type { ConfigModule, GatewayConfig } from './schemas/gateway.ts'

/** The process: arguments, configuration, listening, signals. What cannot start says why, in words, and exits with 1. */
try {
  await start()
} catch (error) {
  console.error(explain(error as NodeJS.ErrnoException))
  process.exit(1)
}

async function start(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string', default: 'fastify.config.ts' } } })
  const config = await loadConfig(values.config)
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

async function loadConfig(file: string): Promise<GatewayConfig> {
  const url = pathToFileURL(resolve(file)).href
  let module: ConfigModule
  try {
    module = await import(url)
  } catch (error) {
    const { code, message, stack = '' } = error as NodeJS.ErrnoException
    if (code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${resolve(file)}'`))
      throw new Error(`${file} cannot be read: there is no such file`)
    const [where] = stack.match(/file:\/\/[^\s)]+:\d+/) ?? []
    throw new Error(
      `${file} cannot be loaded: ${message.split('\n', 1)[0]}${where ? ` (${fileURLToPath(where)})` : ''}`
    )
  }
  if (module.default === undefined) throw new Error(`${file} has no default export`)
  return resolveConfig(module, process.env)
}

function explain(error: NodeJS.ErrnoException & { port?: number; address?: string }): string {
  if (error instanceof ConfigError) {
    const { faults, message } = error
    return `The configuration has ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}:\n${message}`
  }
  if (error.code === 'EADDRINUSE') return `${error.address}:${error.port} is taken by another process`
  if (error.code === 'EACCES') return `${error.address}:${error.port} may not be listened on by this user`
  return error.message
}
