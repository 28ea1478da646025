import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts } from './docs/free-ports.ts'
import type { Ending } from './harness.ts'
import { until } from './until.ts'

/** A real Prometheus for one test. */
export interface RunningPrometheus {
  /** Returns the series of an instant query. @throws if Prometheus rejects it */
  query(expression: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]>
  /** Returns the exemplars of the series that an expression selects, of the last hour. */
  exemplars(expression: string): Promise<StoredExemplar[]>
  /** Returns its active targets with the time and the error of their last scrape. */
  targets(): Promise<{ scrapeUrl: string; health: string; lastError: string }[]>
}

export interface StoredExemplar {
  labels: Record<string, string>
  value: string
  timestamp: number
}

/** Runs a server until its input ends, which it also does if this process is killed. */
const GUARD = `
trap '' HUP INT TERM
"$0" "$@" >/dev/null 2>&1 &
cat
kill -KILL $!
wait $!
`

export function hasPrometheus(): boolean {
  return ['prometheus', 'promtool'].every(name => spawnSync(name, ['--version']).status === 0)
}

/** Starts a server. @param config its config as JSON, which is YAML too */
export async function startPrometheus(t: Ending, config: object): Promise<RunningPrometheus> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-prometheus-'))
  const file = join(directory, 'prometheus.yml')
  writeFileSync(file, JSON.stringify(config))
  const [port] = await freePorts(1)
  const args = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${directory}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--enable-feature=exemplar-storage'
  ]
  const guard = spawn('sh', ['-c', GUARD, 'prometheus', ...args], { stdio: ['pipe', 'ignore', 'ignore'] })
  t.teardown(async () => {
    guard.stdin.end()
    if (guard.exitCode === null) await once(guard, 'exit')
    rmSync(directory, { recursive: true })
  })
  const url = `http://127.0.0.1:${port}`
  await until(() =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false
    )
  )
  return {
    query: async query => (await ask('query', { query })).result,
    async exemplars(query) {
      const now = Date.now() / 1_000
      const params = { query, start: `${now - 3_600}`, end: `${now + 60}` }
      const series: { exemplars: StoredExemplar[] }[] = await ask('query_exemplars', params)
      return series.flatMap(({ exemplars }) => exemplars)
    },
    targets: async () => (await ask('targets', {})).activeTargets
  }

  async function ask(path: string, params: Record<string, string>) {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(params)}`)
    const { data, error } = (await response.json()) as { data: any; error?: string }
    if (error !== undefined) throw new Error(`${params.query}: ${error}`)
    return data
  }
}

/** Runs promtool. Returns its exit code and everything that it printed. */
export function promtool(
  args: string[],
  input = '',
  cwd?: string
): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, {
    input,
    encoding: 'utf8',
    ...(cwd && { cwd })
  })
  return { status, output: stdout + stderr }
}
