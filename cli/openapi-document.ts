import type { OpenApiDocument } from '../openapi/document-types.ts'
import { ConfigError } from '../schemas/options/config-error.ts'
import type { GatewayConfig } from '../schemas/options/gateway.ts'
import { startDryRun } from './dry-run.ts'

/**
 * Returns the OpenAPI document of a config, without connecting to anything.
 * @param version default: all versions in one document
 * @throws ConfigError if there is no such version, or `openapi` is off
 */
export async function openApiDocument(config: GatewayConfig, version?: string): Promise<OpenApiDocument> {
  const { gateway, close } = await startDryRun(config)
  try {
    const { openapi } = gateway
    if (openapi === undefined) throw new ConfigError([{ path: '/openapi', message: 'is false' }])
    const document = await openapi.document(version)
    if (document !== undefined) return document
    const names = openapi.versions()
    const known = names.length === 0 ? 'no route has a version' : `the versions are ${names.join(', ')}`
    throw new ConfigError([
      { path: '/scopes', message: `have no version ${JSON.stringify(version)}: ${known}` }
    ])
  } finally {
    await close()
  }
}
