import { execFileSync } from 'node:child_process'
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { findBrowser } from '../browser.ts'
import type { Ending } from '../harness.ts'

export interface WatchedPage extends Page {
  /** Allows a console error, such as that of a response 401. */
  expectError(pattern: RegExp): void
}

export const DESKTOP = { width: 1280, height: 900 }
export const PHONE = { width: 390, height: 844 }

/**
 * Opens the dashboard in Chromium. The test fails if the page requests anything off the listener, violates its
 * Content-Security-Policy, or logs or throws an error. `npm test` builds the dashboard first.
 *
 * @param admin URL of the admin listener
 */
export async function openDashboard(
  t: Ending,
  admin: string,
  options: BrowserContextOptions = {}
): Promise<WatchedPage> {
  return openWatched(t, `${admin}/`, options)
}

/** Opens a page of a listener, by the same rules. */
export async function openWatched(
  t: Ending,
  url: string,
  options: BrowserContextOptions = {}
): Promise<WatchedPage> {
  const program = findBrowser()
  if (!program) throw new Error('no Chromium found; run node test/prepare.ts')
  const executablePath = execFileSync('sh', ['-c', 'command -v "$0"', program], { encoding: 'utf8' }).trim()
  // The browser opens only the test's pages, and the sandbox does not work for root in a container.
  const args = ['--no-sandbox', '--disable-dev-shm-usage']
  const browser = await chromium.launch({ executablePath, args })
  const context = await browser.newContext({ viewport: DESKTOP, ...options })
  const faults: string[] = []
  const expected: RegExp[] = []
  const page = (await context.newPage()) as WatchedPage

  context.on('request', request => {
    const { origin } = new URL(request.url())
    if (origin !== new URL(url).origin) faults.push(`request off the listener: ${request.url()}`)
  })
  // Violations of the policy are logged as errors.
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
  })
  page.on('pageerror', error => faults.push(String(error)))
  page.expectError = pattern => void expected.push(pattern)
  t.teardown(async () => {
    await browser.close()
    const unexpected = faults.filter(fault => !expected.some(pattern => pattern.test(fault)))
    if (unexpected.length > 0) throw new Error(unexpected.join('\n'))
  })

  page.setDefaultTimeout(60_000)
  await page.goto(url)
  return page
}
