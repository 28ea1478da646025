import { readFileSync, writeFileSync } from 'node:fs'

const PAGE = new URL('../results/faults.md', import.meta.url)

/** Replaces the text between the markers of `name` in bench/results/faults.md. */
export function writeBetween(name: string, text: string): void {
  const page = readFileSync(PAGE, 'utf8')
  const [start, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`]
  const from = page.indexOf(start)
  const to = page.indexOf(end)
  if (from === -1 || to < from) throw new Error(`bench/results/faults.md has no markers for the ${name}`)
  writeFileSync(PAGE, `${page.slice(0, from + start.length)}\n\n${text}\n\n${page.slice(to)}`)
}
