/** Reads tables and headings of pages, and options of schemas, to compare them. */

export interface Schema {
  default?: unknown
  properties?: Record<string, Schema>
  patternProperties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
}

/** Yields the options that have a value of their own by their path, without the names that users choose. */
export function* optionsOf(schema: Schema, path: string): Generator<[string, Schema]> {
  const inner = [
    schema,
    schema.items,
    ...(schema.anyOf ?? []),
    ...Object.values(schema.patternProperties ?? {})
  ]
  const nested = inner.flatMap(one => Object.entries(one?.properties ?? {}))
  if (nested.length === 0) yield [path, schema]
  for (const [name, member] of nested) yield* optionsOf(member, path === '' ? name : `${path}.${name}`)
  for (const one of inner.slice(1))
    for (const deeper of Object.values(one?.patternProperties ?? {})) yield* optionsOf(deeper, path)
}

/** Returns the names of an interface's own members, by their indentation. */
export function membersOf(module: string, name: string): string[] {
  const declaration = new RegExp(`export interface ${name}\\b(?:(?!^}).)*?\\{\\n((?:(?!^}).)*)^}`, 'ms')
  const [, body = ''] = declaration.exec(module) ?? []
  return [...body.matchAll(/^ {2}(\w+)\??[:(]/gm)].map(([, member = '']) => member)
}

/** Returns the default of an option as pages write it. Undefined: not written. */
export function defaultOf(path: string, { default: value }: Schema): string | undefined {
  if (value === undefined || value === '' || (typeof value === 'object' && value !== null)) return undefined
  if (typeof value !== 'number') return `\`${value}\``
  return value.toLocaleString('en-US', { useGrouping: !path.endsWith('port') })
}

/** Returns a test for cells that have `text`, and not as a part of a longer number. */
export function says(text: string): (cell: string) => boolean {
  const pattern = new RegExp(`(^|[^\\d,.])${text.replaceAll('.', '\\.')}($|[^\\d,.]|,\\D)`)
  return cell => pattern.test(cell)
}

export interface OptionRow {
  /** As in `optionsOf`: `tiers.limits.limit` for `tiers.NAME.limits[].limit`. */
  name: string
  default: string
}

/**
 * Returns the options in the tables of a page. A name that begins with a dot has the prefix of the one before it:
 * `links.deprecation`, `.sunset`.
 */
export function optionRows(page: string): OptionRow[] {
  return tableRows(page).flatMap(([, first = '', value = '']) => {
    let before = ''
    return [...first.matchAll(/`([\w.[\]]+)`/g)].map(([, written = '']) => {
      const plain = written.replaceAll(/\.NAME|\[\]/g, '')
      before = plain.startsWith('.') ? before.replace(/\.\w+$/, plain) : plain
      return { name: before, default: value }
    })
  })
}

export function tableRows(page: string): string[][] {
  return withoutCode(page)
    .split('\n')
    .filter(line => /^\s*\|/.test(line))
    .map(line => line.split('|').map(cell => cell.trim()))
}

export function withoutCode(page: string): string {
  return page.replace(/^```[\s\S]*?^```/gm, '')
}

/** Returns the anchors that GitHub makes of headings. */
export function anchorsOf(page: string): string[] {
  return [...withoutCode(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .trim()
      .replaceAll(' ', '-')
  )
}
