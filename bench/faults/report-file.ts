import { readFileSync, writeFileSync } from 'node:fs'

const FILE = new URL('../results/faults.md', import.meta.url)

/**
 * Replaces the text between `<!-- name -->` and `<!-- end of name -->` in bench/results/faults.md.
 * @throws if the markers are missing
 */
export function writeSection(name: string, text: string): void {
  const page = readFileSync(FILE, 'utf8')
  const [start, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`]
  const from = page.indexOf(start)
  const to = page.indexOf(end)
  if (from === -1 || to < from) throw new Error(`bench/results/faults.md has no section "${name}"`)
  writeFileSync(FILE, `${page.slice(0, from + start.length)}\n\n${text}\n\n${page.slice(to)}`)
}
