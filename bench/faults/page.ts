import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const PAGE = new URL('../../docs/faults.md', import.meta.url)

/** Puts `text` into docs/faults.md, between the markers of its name. */
export function writeBetween(name: string, text: string): void {
  const page = readFileSync(PAGE, 'utf8')
  const [start, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`]
  const from = page.indexOf(start)
  const to = page.indexOf(end)
  if (from === -1 || to < from) throw new Error(`docs/faults.md has no place for the ${name}`)
  writeFileSync(PAGE, `${page.slice(0, from + start.length)}\n\n${text}\n\n${page.slice(to)}`)
  // (On the path of npm's scripts.)
  execFileSync('biome', ['format', '--write', fileURLToPath(PAGE)], { stdio: 'ignore' })
}
