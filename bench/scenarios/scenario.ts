import { type MeasuredProcess, stop } from '../process.ts'

export interface ScenarioResult {
  figures: [what: string, figure: string | number][]
  /** Expectations that were not met. */
  violations: string[]
}

/** Collects the result of a scenario, and stops its processes. */
export class Scenario implements ScenarioResult {
  figures: ScenarioResult['figures'] = []
  violations: string[] = []
  #processes: MeasuredProcess[] = []

  report(what: string, figure: string | number): void {
    this.figures.push([what, figure])
  }

  /** Records `violation` unless `holds` is true. */
  expect(holds: boolean, violation: string): void {
    if (!holds) this.violations.push(violation)
  }

  /** Stops the process at the end of the scenario. */
  async start(process: Promise<MeasuredProcess>): Promise<MeasuredProcess> {
    const started = await process
    this.#processes.push(started)
    return started
  }

  async end(): Promise<void> {
    for (const { child } of this.#processes) child.kill('SIGCONT')
    await Promise.all(this.#processes.map(stop))
  }
}

export async function runScenario(run: (scenario: Scenario) => Promise<void>): Promise<ScenarioResult> {
  const scenario = new Scenario()
  try {
    await run(scenario)
  } finally {
    await scenario.end()
  }
  return scenario
}

export function formatMs(milliseconds: number): string {
  return `${Math.round(milliseconds * 10) / 10} ms`
}
