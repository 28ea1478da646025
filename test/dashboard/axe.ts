import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Returns the violations that axe finds in a page, each with its elements: all, or those of these impacts. */
export async function violationsOf(page: Page, impacts?: string[]): Promise<string[]> {
  // Evaluated by the debugger, which the Content-Security-Policy does not restrict.
  await page.evaluate(source)
  const { violations } = await page.evaluate(() => (globalThis as any).axe.run())
  return violations
    .filter(({ impact }: any) => impacts?.includes(impact) ?? true)
    .map(({ id, help, nodes }: any) => `${id}: ${help}: ${nodes.map((node: any) => node.html).join(' | ')}`)
}
