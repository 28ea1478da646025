import type { Change } from '../openapi/diff/change.ts'
import { compareDocuments } from '../openapi/diff/compare-documents.ts'
import { type ParsedDocument, readDocument } from '../openapi/parsed-document.ts'
import { sanitize, type Terminal, type Values } from './command.ts'

/**
 * Prints what changed since the document of `--against`. Resolves with the exit code.
 * @throws DocumentError
 */
export async function compareAgainst(
  document: ParsedDocument,
  { against, strict, json }: Values,
  { print }: Terminal
): Promise<number> {
  const changes = compareDocuments(await readDocument(against as string), document, Date.now())
  const breaking = changes.filter(({ level }) => level === 'breaking')
  const warnings = changes.filter(({ level }) => level === 'warning')
  const isOk = breaking.length === 0 && (strict !== true || warnings.length === 0)
  if (json) print(JSON.stringify({ ok: isOk, changes }, null, 2))
  else {
    const lines = [...breaking, ...warnings].flatMap(describe)
    const compatible = changes.length - breaking.length - warnings.length
    const summary = [
      count(breaking.length, 'breaking change'),
      count(warnings.length, 'warning'),
      count(compatible, 'compatible change')
    ].join(', ')
    print(...lines, ...(lines.length > 0 ? [''] : []), summary)
  }
  return isOk ? 0 : 1
}

function describe({ level, rule, method, path, part, pointer, change, why }: Change): string[] {
  return [
    sanitize(`${level.padEnd(8)} ${rule}  ${[method, path].filter(Boolean).join(' ')}`),
    sanitize(`         ${part}: ${change}; ${why}`),
    ...(pointer === '' ? [] : [sanitize(`         #${pointer}`)])
  ]
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
