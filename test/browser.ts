import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import type { Ending } from './harness.ts'

/** A page in a real Chromium, controlled by the DevTools protocol. */
export interface Page {
  /**
   * Returns the value of an expression as JSON.
   * @throws the error of the expression
   */
  evaluate(expression: string): Promise<any>
  /** Selects a file in the file input that an expression returns. */
  choose(expression: string, file: string): Promise<void>
  /** Uncaught errors of the page. */
  errors: string[]
}

/** Returns the browser from the PATH, or from its folder on macOS. */
export function findBrowser(): string | undefined {
  return [
    'chromium',
    'chromium-browser',
    'google-chrome',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'
  ].find(name => spawnSync(name, ['--version']).status === 0)
}

/** Chromium exits when its pipe closes, also if this process is killed; then its profile is removed. */
const GUARD = `
trap '' HUP INT TERM
directory=$(mktemp -d)
HOME=$directory TMPDIR=$directory "$0" "$@" --user-data-dir="$directory/profile" >/dev/null 2>&1
rm -rf "$directory"
`
const FLAGS = [
  '--headless',
  // The browser opens only the test's pages, and the sandbox does not work for root in a container.
  '--no-sandbox',
  '--disable-crash-reporter',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--window-size=1400,900',
  '--remote-debugging-pipe'
]

/** Starts a browser with one page. */
export async function openPage(t: Ending, url: string): Promise<Page> {
  const program = findBrowser()
  if (!program) throw new Error('no Chromium found; run node test/prepare.ts')
  const { pipe, stdio } = { pipe: 'pipe', stdio: 'ignore' } as const
  const guard = spawn('sh', ['-c', GUARD, program, ...FLAGS], { stdio: [stdio, stdio, stdio, pipe, pipe] })
  const [input, output] = guard.stdio.slice(3) as unknown as [Writable, Readable]
  const errors: string[] = []
  const waiting = new Map<number, PromiseWithResolvers<any>>()
  let id = 0
  let rest = ''

  input.on('error', () => {})
  output.setEncoding('utf8').on('data', (chunk: string) => {
    const messages = (rest + chunk).split('\0')
    rest = messages.pop() as string
    for (const message of messages) take(JSON.parse(message))
  })
  guard.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the browser has exited'))
  })
  t.teardown(async () => {
    input.end()
    output.destroy()
    if (guard.exitCode === null) await once(guard, 'exit')
  })

  const { targetId } = await send('Target.createTarget', { url })
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true })
  await send('Runtime.enable', {}, sessionId)
  return {
    errors,
    evaluate: async expression => (await run(expression, true)).value,
    async choose(expression, file) {
      const { objectId } = await run(expression, false)
      await send('DOM.setFileInputFiles', { files: [file], objectId }, sessionId)
    }
  }

  function send(method: string, params: object, sessionId?: string): Promise<any> {
    const answer = Promise.withResolvers<any>()
    waiting.set(++id, answer)
    input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    return answer.promise
  }

  function take({ id, method, params, result, error }: any): void {
    if (method === 'Runtime.exceptionThrown') errors.push(describe(params.exceptionDetails))
    const answer = waiting.get(id)
    waiting.delete(id)
    if (error) answer?.reject(new Error(error.message))
    else answer?.resolve(result)
  }

  async function run(expression: string, returnByValue: boolean): Promise<any> {
    const params = { expression, returnByValue, awaitPromise: true }
    const { result, exceptionDetails } = await send('Runtime.evaluate', params, sessionId)
    if (exceptionDetails) throw new Error(describe(exceptionDetails))
    return result
  }
}

function describe({ text, exception }: { text: string; exception?: { description?: string } }): string {
  return exception?.description ?? text
}
