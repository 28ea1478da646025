import { join } from 'node:path'
import { openWatched } from '../dashboard/watched-browser.ts'
import { startSite } from './built-site.ts'

/** Builds the site and takes the README's screenshot of it: `node --conditions=sluice-source test/site/screenshot.ts`. */

const ends: (() => unknown)[] = []
const test = { teardown: (end: () => unknown) => void ends.unshift(end) }

try {
  const site = await startSite(test)
  const page = await openWatched(test, site, { viewport: { width: 1280, height: 800 } })
  await page.waitForLoadState('networkidle')
  await page.screenshot({ path: join(import.meta.dirname, '../../docs/screenshots/site.png') })
} finally {
  for (const end of ends) await end()
}
