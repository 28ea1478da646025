import { on } from 'node:events'
import type { Profiler } from 'node:inspector'
import { fileURLToPath } from 'node:url'
import { startRedis } from '../testing/redis-server.ts'
import { startIssuer } from './issuer.ts'
import { loadRequests } from './load.ts'
import { type Measured, startScript, startSubject, stop } from './process.ts'
import { createSubjects } from './subjects.ts'

/**
 * Where a request's time goes, layer by layer, in microseconds: `npm run bench:where`, or `-- floor plain everything`
 * for other subjects than these. Each is loaded with as many requests twice, the second time with a sampling profile, by
 * whose shares the CPU time of the first is divided. What native code takes is its caller's, but for writing to sockets,
 * which is the kernel's.
 */
const REQUESTS = 40_000
const WARM_UP = 30_000
const names = process.argv.length > 2 ? process.argv.slice(2) : ['floor', 'bare', 'plain', 'everything']

/** With a row of their own. */
const PACKAGES = new Set(['fastify', '@fastify/reply-from', '@fastify/http-proxy', 'undici', 'find-my-way'])

const endings: (() => unknown)[] = []
const issuer = await startIssuer(1_000)
const redis = await startRedis({ teardown: end => void endings.push(end) })
const upstream = await startScript('upstream.ts', {}, 1)
const env = { UPSTREAM: upstream.url, ISSUER: issuer.issuer, REDIS_URL: redis.url }
const profiler = fileURLToPath(new URL('profiler.ts', import.meta.url))
const table: Record<string, Record<string, number>> = {}

for (const name of names) {
  const subject = createSubjects(issuer).find(subject => subject.name === name)
  if (subject === undefined) throw new Error(`there is no subject '${name}'`)
  const process = await startSubject(`subjects/${subject.script}`, { ...env, ...subject.env }, [
    '--import',
    profiler
  ])
  await loadRequests(subject, process, WARM_UP)
  const before = process.cpu()
  await loadRequests(subject, process, REQUESTS)
  const cpu = (process.cpu() - before) / REQUESTS
  await ask(process, 'start')
  await loadRequests(subject, process, REQUESTS)
  const shares = sharesOf((await ask(process, 'stop')) as Profiler.Profile)
  row('all')[name] = cpu
  for (const [layer, share] of shares) row(layer)[name] = share * cpu
  await stop(process)
}
await stop(upstream)
await Promise.all(endings.map(end => end()))
print()
process.exit(0)

async function ask({ child }: Measured, what: 'start' | 'stop'): Promise<unknown> {
  child.send(what)
  // The subject may have something to say to it too.
  for await (const [message] of on(child, 'message')) if ('profile' in message) return message.profile
}

function row(layer: string): Record<string, number> {
  table[layer] ??= {}
  return table[layer]
}

/** Of the time that was not idle, by layer. */
function sharesOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Map<string, number> {
  const byId = new Map(nodes.map(node => [node.id, node]))
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map(child => [child, id])))
  const stacks = new Map<number, string | undefined>()
  const times = new Map<string, number>()
  let all = 0
  samples.forEach((id, i) => {
    if (!stacks.has(id)) stacks.set(id, layerOf(stackOf(id)))
    const layer = stacks.get(id)
    if (layer === undefined) return
    const time = timeDeltas[i] as number
    all += time
    times.set(layer, (times.get(layer) ?? 0) + time)
  })
  return new Map([...times].map(([layer, time]) => [layer, time / all]))

  function stackOf(id: number): Profiler.ProfileNode['callFrame'][] {
    const frames = []
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at))
      frames.push((byId.get(at) as Profiler.ProfileNode).callFrame)
    return frames
  }
}

/** The innermost frame first. Undefined for what is not the request's: waiting, and the profiler. */
function layerOf(frames: Profiler.ProfileNode['callFrame'][]): string | undefined {
  const { functionName, url } = frames[0] as Profiler.ProfileNode['callFrame']
  if (functionName === '(idle)') return undefined
  if (functionName === '(garbage collector)') return 'garbage collection'
  if (functionName === '(program)') return 'native: reading sockets, parsing HTTP'
  const named = frames.find(({ url }) => url !== '' && !url.startsWith('wasm'))?.url
  if (named === undefined) return 'other'
  if (named.startsWith('node:inspector')) return undefined
  if (url === '' && /^(writ\w*String|writev|writeBuffer)$/.test(functionName)) {
    const from = frames.find(({ url }) => /_http_outgoing|\/undici\/|node:fs/.test(url))?.url ?? ''
    return from.includes('_http_outgoing')
      ? 'writing to the client'
      : from.includes('/undici/')
        ? 'writing to the service'
        : 'writing to a file or Redis'
  }
  if (named.startsWith('node:_http')) return 'node: http'
  if (named.startsWith('node:')) return 'node: streams, sockets, timers, buffers, events'
  const [, within] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(named) ?? []
  if (within !== undefined) return PACKAGES.has(within) ? within : 'other packages'
  const [, own] = /\/(plugins|routes|schemas|bench)\/([\w-]+)/.exec(named)?.map(String) ?? []
  return `own: ${own === 'plugins' ? patternOf(named) : own === 'bench' ? 'the subject itself' : 'routes, schemas'}`
}

function patternOf(url: string): string {
  return (/\/plugins\/([\w-]+)/.exec(url) as unknown as string[])[1] as string
}

function print(): void {
  const rows = Object.entries(table).sort(
    ([, a], [, b]) => Math.max(...Object.values(b)) - Math.max(...Object.values(a))
  )
  console.log(`| microseconds of CPU a request | ${names.join(' | ')} |`)
  console.log(`|---|${names.map(() => '---:|').join('')}`)
  for (const [layer, byName] of rows) {
    if (Math.max(...Object.values(byName)) < 0.1) continue
    console.log(`| ${layer} | ${names.map(name => byName[name]?.toFixed(1) ?? '').join(' | ')} |`)
  }
}
