import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { GatewayOptions } from '../schemas/options/gateway.ts'

/** What the pages say, against what there is: links, members of the config with their defaults, problems, metrics. */

const root = join(import.meta.dirname, '..')
const files = ['README.md', ...globSync('docs/**/*.md', { cwd: root })]
const pages = new Map(files.map(file => [file, readFileSync(join(root, file), 'utf8')]))
const withoutCode = (page: string) => page.replace(/^```[\s\S]*?^```/gm, '')
const rows = [...pages.values()]
  .flatMap(page => withoutCode(page).split('\n'))
  .filter(line => line.startsWith('|'))
  .map(line => line.split('|').map(cell => cell.trim()))

t.test('every link leads to a file that there is, and to a heading of it', async t => {
  let count = 0
  for (const [file, page] of pages) {
    for (const [, target = ''] of withoutCode(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      count++
      const [path = '', anchor] = target.split('#')
      const to = path === '' ? file : join(dirname(file), path)
      t.ok(existsSync(join(root, to)), `${file} links to ${target}`)
      if (anchor !== undefined) t.ok(anchorsOf(pages.get(to) ?? '').includes(anchor), `${file}: ${target}`)
    }
  }
  t.ok(count > 50, `${count} links`)
})

t.test('every member of the config is in a table, with its default', async t => {
  const members = [...membersOf(GatewayOptions as unknown as Schema, '')]
  t.ok(members.length > 100, `${members.length} members`)
  for (const [path, schema] of members) {
    const name = path.slice(path.lastIndexOf('.') + 1)
    const of = rows.filter(([, first = '']) => new RegExp(`[\`.]${name}\``).test(first))
    t.ok(of.length > 0, path)
    const { default: value } = schema
    if (value === undefined || (typeof value === 'object' && value !== null)) continue
    const text =
      typeof value !== 'number'
        ? `\`${value}\``
        : value.toLocaleString('en-US', { useGrouping: name !== 'port' })
    const says = new RegExp(`(^|[^\\d,.])${text.replaceAll('.', '\\.')}($|[^\\d,.]|,\\D)`)
    t.ok(
      of.some(cells => cells.slice(2).some(cell => says.test(cell))) || value === '',
      `${path} is ${text} by default`
    )
  }
})

t.test('every problem of the gateway is on the page of problems', async t => {
  const known = pages.get('docs/problem.md') ?? ''
  const code = globSync('{admin,auth,cluster,http,limits,observe,plugins,proxy,routes,versions}/**/*.ts', {
    cwd: root
  })
    .map(file => readFileSync(join(root, file), 'utf8'))
    // Of a plugin that somebody has added, its own page may tell.
    .filter(text => !/fp\([^)]*name: '(?!sluice-)/.test(text))
    .join('\n')
  const codes = [...code.matchAll(/create(?:Error|Problem)\(\s*'SLUICE_(\w+)',\s*'[^']*',\s*(\d{3})/g)]
  t.ok(codes.length > 40, `${codes.length} errors`)
  for (const [, name = '', status] of codes) {
    // Nobody is left to read a 499; the other two have a type that is not the gateway's own.
    if (status === '499' || name === 'UPSTREAM_STATUS' || name === 'LIMITS_UNAVAILABLE') continue
    t.match(known, `\`${name.toLowerCase().replaceAll('_', '-')}\``, name)
  }
})

t.test('every metric of the gateway is on a page', async t => {
  const said = [...pages.values()].join('\n')
  const code = globSync('{limits,observe,plugins,proxy}/**/*.ts', { cwd: root }).map(file =>
    readFileSync(join(root, file), 'utf8')
  )
  const names = [...code.join('\n').matchAll(/'(sluice_[a-z_]+)'/g)].map(([, name = '']) => name)
  t.ok(names.length > 10, `${names.length} metrics`)
  for (const name of names) t.ok(said.includes(name), name)
})

interface Schema {
  default?: unknown
  properties?: Record<string, Schema>
  patternProperties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
}

/** The members that have a value of their own, by their path. */
function* membersOf(schema: Schema, path: string): Generator<[string, Schema]> {
  const inner = [
    schema,
    schema.items,
    ...(schema.anyOf ?? []),
    ...Object.values(schema.patternProperties ?? {})
  ]
  const nested = inner.flatMap(one => Object.entries(one?.properties ?? {}))
  if (nested.length === 0) yield [path, schema]
  for (const [name, member] of nested) yield* membersOf(member, path === '' ? name : `${path}.${name}`)
  for (const one of inner.slice(1))
    for (const deeper of Object.values(one?.patternProperties ?? {})) yield* membersOf(deeper, path)
}

/** As GitHub makes them of headings. */
function anchorsOf(page: string): string[] {
  return [...withoutCode(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .trim()
      .replaceAll(' ', '-')
  )
}
