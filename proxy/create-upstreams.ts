import type { UpstreamOptions } from '../schemas/options/upstreams.ts'
import { mirrorUpstream } from './mirror.ts'
import { splitUpstream } from './split.ts'
import type { Upstream } from './upstream-types.ts'

/**
 * Creates upstreams with their mirrors and splits. A mirror's target and a split's sides are not mirrored or split
 * themselves, so no options can send a call around in circles.
 */
export function createUpstreams(
  options: Record<string, UpstreamOptions>,
  create: (name: string, options: UpstreamOptions) => Upstream
): Map<string, Upstream> {
  const plain = new Map(Object.entries(options).map(([name, one]) => [name, create(name, one)]))
  const mirrored = new Map(
    [...plain].map(([name, upstream]) => {
      const mirror = options[name]?.mirror
      return [name, mirror ? mirrorUpstream(upstream, mirror, plain.get(mirror.to) as Upstream) : upstream]
    })
  )
  return new Map(
    [...mirrored].map(([name, upstream]) => {
      const split = options[name]?.split
      return [name, split ? splitUpstream(upstream, split, side => mirrored.get(side) as Upstream) : upstream]
    })
  )
}
