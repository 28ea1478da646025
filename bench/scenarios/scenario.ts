import { type Measured, stop } from '../process.ts'

/** What a scenario came to. */
export interface Result {
  figures: [what: string, figure: string | number][]
  /** Promises that were not kept. */
  short: string[]
}

/** Tells the result as it grows, and keeps the processes that have to be ended. */
export class Scene implements Result {
  figures: Result['figures'] = []
  short: string[] = []
  #processes: Measured[] = []

  figure(what: string, figure: string | number): void {
    this.figures.push([what, figure])
  }

  /** `what` is told if it does not hold. */
  must(holds: boolean, what: string): void {
    if (!holds) this.short.push(what)
  }

  async start(process: Promise<Measured>): Promise<Measured> {
    const started = await process
    this.#processes.push(started)
    return started
  }

  async end(): Promise<void> {
    for (const { child } of this.#processes) child.kill('SIGCONT')
    await Promise.all(this.#processes.map(stop))
  }
}

export async function play(scenario: (scene: Scene) => Promise<void>): Promise<Result> {
  const scene = new Scene()
  try {
    await scenario(scene)
  } finally {
    await scene.end()
  }
  return scene
}

export function ms(milliseconds: number): string {
  return `${Math.round(milliseconds * 10) / 10} ms`
}
