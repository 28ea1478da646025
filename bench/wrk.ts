import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pinned } from './peers/native.ts'
import type { MeasuredProcess } from './process.ts'

export interface WrkSample {
  /** Microseconds of the subject's CPU time per request. */
  cpu: number
  /** Requests per second. */
  rate: number
  /** Milliseconds. */
  p50: number
  p99: number
}

/**
 * Loads `subject` with wrk, on core 1: it costs a fraction of what a load generator in Node does, so the subject is saturated.
 * @param tokens sent in turns as `Authorization`; none if empty
 * @throws for errors, and if more than 1 % of the statuses are not 2xx
 */
export async function loadWithWrk(
  { url, cpu }: MeasuredProcess,
  tokens: string[],
  seconds: number
): Promise<WrkSample> {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-bench-wrk-'))
  const script = join(dir, 'requests.lua')
  writeFileSync(script, toLua(tokens))
  const [command, ...args] = [
    ...pinned(1),
    ...['wrk', '--threads', '1', '--connections', '64', '--latency', '--timeout', '10s'],
    ...['--duration', `${seconds}s`, '--script', script, `${url}/products/1`]
  ]
  try {
    const before = cpu()
    const child = spawn(command as string, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    await once(child, 'close')
    const used = cpu() - before
    return { ...parse(output), cpu: used / numberIn(output, /(\d+) requests in/) }
  } finally {
    rmSync(dir, { recursive: true })
  }
}

/** Formats the requests once: wrk would otherwise spend more on them than on the rest. */
function toLua(tokens: string[]): string {
  if (tokens.length === 0) return ''
  return `
local tokens = { ${tokens.map(token => JSON.stringify(token)).join(', ')} }
local requests, last = {}, 0
init = function()
  for i, token in ipairs(tokens) do
    requests[i] = wrk.format('GET', nil, { Authorization = token })
  end
end
request = function()
  last = last % #requests + 1
  return requests[last]
end
`
}

function parse(output: string): Omit<WrkSample, 'cpu'> {
  const failed = /Socket errors: .*/.exec(output)
  if (failed !== null) throw new Error(`wrk: ${failed[0]}`)
  // A starved gateway rejects a few requests.
  const rejected = Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0)
  if (rejected > numberIn(output, /(\d+) requests in/) / 100) throw new Error(`wrk: ${rejected} rejected`)
  return {
    rate: numberIn(output, /Requests\/sec: +([\d.]+)/),
    p50: millisecondsIn(output, /50% +([\d.]+)(us|ms|s)/),
    p99: millisecondsIn(output, /99% +([\d.]+)(us|ms|s)/)
  }
}

function numberIn(output: string, pattern: RegExp): number {
  const found = pattern.exec(output)
  if (found === null) throw new Error(`wrk: unexpected output: ${output}`)
  return Number(found[1])
}

const UNITS: Record<string, number> = { us: 0.001, ms: 1, s: 1_000 }

function millisecondsIn(output: string, pattern: RegExp): number {
  return numberIn(output, pattern) * (UNITS[pattern.exec(output)?.[2] as string] as number)
}
