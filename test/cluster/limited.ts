import { resolveConfig } from '../../config/resolve-config.ts'
import { buildGateway } from '../../gateway.ts'
import type { TierOptions } from '../../schemas/options/rate-limit.ts'

/**
 * A worker for tests, forked with its tiers, the number of its siblings and the ms that it waits: a scope for each tier, by
 * address.
 */
const [tiers = '{}', workers = '1', timeout] = process.argv.slice(2)
const names = Object.keys(JSON.parse(tiers) as Record<string, TierOptions>)
const config = resolveConfig(
  {
    default: {
      log: { level: 'silent' },
      trustProxy: ['127.0.0.1'],
      tiers: JSON.parse(tiers),
      scopes: Object.fromEntries(
        names.map(name => [
          name,
          {
            prefix: `/${name}`,
            rateLimit: { address: name },
            routes: async (scope: { get(path: string, handler: () => Promise<string>): unknown }) =>
              scope.get('/', async () => 'ok')
          }
        ])
      )
    }
  },
  {}
)
const gateway = await buildGateway(config, undefined, undefined, {
  supervisor: { channel: process, workers: Number(workers), timeout: Number(timeout) }
})
const url = await gateway.listen({ port: 0, host: '127.0.0.1' })
process.send?.({ url })
// However the test ends.
process.stdin.resume().on('end', () => process.exit())
