import { on } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { Profiler } from 'node:inspector'
import { dirname } from 'node:path/posix'
import { fileURLToPath } from 'node:url'
import { startRedis } from '../testing/redis-server.ts'
import { startIssuer } from './issuer.ts'
import { loadRequests } from './load.ts'
import { type MeasuredProcess, startScript, startSubject, stop } from './process.ts'
import { createSubjects } from './subjects.ts'

/**
 * Shows where the CPU time of a request goes, by layer: `npm run bench:profile`, or `-- floor plain` for other subjects.
 * Also writes a `.cpuprofile` per subject to bench/results/, for the developer tools of Chrome.
 *
 * Each subject gets the same load twice: first without the profiler for its CPU time, then with it for the shares. Native
 * functions count for their JavaScript caller, except for writes to sockets.
 */
const REQUESTS = 40_000
const WARM_UP = 30_000
const names = process.argv.length > 2 ? process.argv.slice(2) : ['floor', 'http-proxy', 'plain', 'everything']

/** Packages with their own row. */
const PACKAGES = new Set(['fastify', '@fastify/reply-from', '@fastify/http-proxy', 'undici', 'find-my-way'])
const ROOT = new URL('..', import.meta.url).href
const DIRECTORY = new URL('results/', import.meta.url)

type Frame = Profiler.ProfileNode['callFrame']

const teardowns: (() => unknown)[] = []
const issuer = await startIssuer(1_000)
const redis = await startRedis({ teardown: teardown => void teardowns.push(teardown) })
const upstream = await startScript('upstream.ts', {}, 1)
const env = { UPSTREAM: upstream.url, ISSUER: issuer.issuer, REDIS_URL: redis.url }
const hook = fileURLToPath(new URL('profiler-hook.ts', import.meta.url))
const subjects = createSubjects(issuer)
const table: Record<string, Record<string, number>> = {}
mkdirSync(DIRECTORY, { recursive: true })

for (const name of names) {
  const subject = subjects.find(subject => subject.name === name)
  if (subject === undefined)
    throw new Error(`unknown subject '${name}'; known: ${subjects.map(({ name }) => name).join(', ')}`)
  const process = await startSubject(subject, env, ['--import', hook])
  await loadRequests(subject, process, WARM_UP)
  const before = process.cpu()
  await loadRequests(subject, process, REQUESTS)
  const cpu = (process.cpu() - before) / REQUESTS
  await ask(process, 'start')
  await loadRequests(subject, process, REQUESTS)
  const profile = (await ask(process, 'stop')) as Profiler.Profile
  writeFileSync(new URL(`${name.replaceAll(/\W+/g, '-')}.cpuprofile`, DIRECTORY), JSON.stringify(profile))
  row('all')[name] = cpu
  for (const [layer, share] of sharesByLayer(profile)) row(layer)[name] = share * cpu
  await stop(process)
}
await stop(upstream)
await Promise.all(teardowns.map(teardown => teardown()))
print()
process.exit(0)

async function ask({ child }: MeasuredProcess, command: 'start' | 'stop'): Promise<unknown> {
  child.send(command)
  // The subject sends other messages too.
  for await (const [message] of on(child, 'message')) if ('profile' in message) return message.profile
}

function row(layer: string): Record<string, number> {
  table[layer] ??= {}
  return table[layer]
}

function sharesByLayer({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Map<string, number> {
  const byId = new Map(nodes.map(node => [node.id, node]))
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map(child => [child, id])))
  const layers = new Map<number, string | undefined>()
  const times = new Map<string, number>()
  let total = 0
  samples.forEach((id, i) => {
    if (!layers.has(id)) layers.set(id, layerOf(stackOf(id)))
    const layer = layers.get(id)
    if (layer === undefined) return
    const time = timeDeltas[i] as number
    total += time
    times.set(layer, (times.get(layer) ?? 0) + time)
  })
  return new Map([...times].map(([layer, time]) => [layer, time / total]))

  function stackOf(id: number): Frame[] {
    const frames: Frame[] = []
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at))
      frames.push((byId.get(at) as Profiler.ProfileNode).callFrame)
    return frames
  }
}

/** `frames` starts with the innermost. Returns undefined for idle time and for the profiler itself. */
function layerOf(frames: Frame[]): string | undefined {
  const { functionName, url } = frames[0] as Frame
  if (functionName === '(idle)') return undefined
  if (functionName === '(garbage collector)') return 'garbage collection'
  if (functionName === '(program)') return 'native: reading sockets, parsing HTTP'
  const caller = frames.find(({ url }) => url !== '' && !url.startsWith('wasm'))?.url
  if (caller === undefined) return 'other'
  if (caller.startsWith('node:inspector')) return undefined
  if (url === '' && /^(writ\w*String|writev|writeBuffer)$/.test(functionName)) return writeLayerOf(frames)
  if (caller.startsWith('node:_http')) return 'node: http'
  if (caller.startsWith('node:')) return 'node: streams, sockets, timers, buffers, events'
  const [, name] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(caller) ?? []
  if (name !== undefined) return PACKAGES.has(name) ? name : 'other packages'
  const file = caller.replace(ROOT, '')
  return `sluice: ${file.startsWith('plugins/') ? file : dirname(file)}`
}

function writeLayerOf(frames: Frame[]): string {
  const from = frames.find(({ url }) => /_http_outgoing|\/undici\/|node:fs/.test(url))?.url ?? ''
  if (from.includes('_http_outgoing')) return 'writing to the client'
  return from.includes('/undici/') ? 'writing to the service' : 'writing to a file or Redis'
}

function print(): void {
  const rows = Object.entries(table).sort(
    ([, a], [, b]) => Math.max(...Object.values(b)) - Math.max(...Object.values(a))
  )
  console.log(`| CPU time per request, in microseconds | ${names.join(' | ')} |`)
  console.log(`|---|${names.map(() => '---:|').join('')}`)
  for (const [layer, byName] of rows) {
    if (Math.max(...Object.values(byName)) < 0.1) continue
    console.log(`| ${layer} | ${names.map(name => byName[name]?.toFixed(1) ?? '').join(' | ')} |`)
  }
}
