import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { CAUSES } from '../http/cause.ts'
import { SharedFields } from '../observe/exchange-record.ts'
import { toLogEntry } from '../observe/log-entry.ts'
import { GatewayOptions } from '../schemas/options/gateway.ts'
import { WebSocketOptions } from '../schemas/options/websocket.ts'
import {
  anchorsOf,
  defaultOf,
  membersOf,
  optionRows,
  optionsOf,
  type Schema,
  says,
  tableRows,
  withoutCode
} from './docs/page-tables.ts'

/** Compares the pages with the code: links, options with their defaults, errors, metrics, findings of `sluice check`. */

const root = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const pages = new Map(
  globSync(['*.md', 'docs/**/*.md'], { cwd: root }).map(file => [file, read(file)] as const)
)
/** All modules that run in a gateway. */
const code = globSync('**/*.ts', {
  cwd: root,
  exclude: name => /^(\..*|node_modules|dist|test|bench|create|demo|cli)$/.test(name)
})
  .map(read)
  .join('\n')

t.test('every link leads to a file, and to one of its headings', t => {
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
  t.end()
})

t.test('the code of every page is run by a test', t => {
  /** Commands that take minutes, or need Docker or systemd as the first process. */
  const unrun = ['CONTRIBUTING.md', 'docs/cost.md', 'docs/containers.md', 'docs/systemd.md']
  const tests = globSync('test/docs/*.test.ts', { cwd: root }).map(read).join('\n')
  for (const [file, page] of pages)
    if (/^```sh/m.test(page) && !unrun.includes(file)) t.ok(tests.includes(`'${file}'`), file)
  t.end()
})

t.test('every npm script that a page names exists', t => {
  const projects = ['package.json', 'create/template/package.json'].map(file => JSON.parse(read(file)))
  const scripts = Object.assign({}, ...projects.map(({ scripts }) => scripts))
  const named = [...pages].flatMap(([file, page]) =>
    [...page.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, script = '']) => ({ file, script }))
  )
  t.ok(named.length > 10, `${named.length} commands`)
  for (const { file, script } of named) t.ok(Object.hasOwn(scripts, script), `${file}: npm run ${script}`)
  t.end()
})

t.test('every plugin is shown in an own Fastify app', t => {
  const plugins = [...read('index.ts').matchAll(/default as (\w+)[^}]*\} from '\.\/plugins\//g)]
  t.ok(plugins.length > 20, `${plugins.length} plugins`)
  const apps = [...pages.values()].flatMap(page =>
    [...page.matchAll(/^```ts\n[\s\S]*?^```/gm)]
      .map(([block]) => block)
      .filter(block => block.includes('Fastify('))
  )
  for (const [, name = ''] of plugins) {
    // Replaces upstreams and clocks in dry runs and tests.
    if (name === 'overrides') continue
    const isRegistered = new RegExp(`register\\(\\s*${name}\\b`)
    t.ok(
      apps.some(app => isRegistered.test(app)),
      name
    )
  }
  t.end()
})

t.test('every option of the config is in a table, with its default', t => {
  const options = [...optionsOf(GatewayOptions as unknown as Schema, '')]
  t.ok(options.length > 100, `${options.length} options`)
  const documented = [...pages].flatMap(([file, page]) => (file.startsWith('docs/') ? optionRows(page) : []))
  const takenBy = new Map<string, string>()
  for (const [path, schema] of options) {
    const rows = documented.filter(({ name }) => path === name || path.endsWith(`.${name}`))
    const name = rows.reduce((longest, row) => (row.name.length > longest.length ? row.name : longest), '')
    t.ok(rows.length > 0, `${path} is documented`)
    t.equal(takenBy.get(name), undefined, `${path} has a row of its own`)
    takenBy.set(name, path)

    const text = defaultOf(path, schema)
    if (text === undefined) continue
    const values = rows.filter(row => row.name === name).map(row => row.default)
    t.ok(values.some(says(text)), `${path} is ${text} by default`)
  }
  t.end()
})

t.test('every documented option of the config exists', t => {
  const paths = [...optionsOf(GatewayOptions as unknown as Schema, '')].map(([path]) => path)
  const groups = new Set(paths.flatMap(path => path.split('.').slice(0, -1)))
  let count = 0
  for (const [file, page] of pages) {
    if (!file.startsWith('docs/')) continue
    for (const { name } of optionRows(page)) {
      const [group = '', ...rest] = name.split('.')
      if (rest.length === 0 || !groups.has(group)) continue
      count++
      const exists = paths.some(path => `.${path}.`.includes(`.${name}.`))
      t.ok(exists, `${file}: ${name}`)
    }
  }
  t.ok(count > 100, `${count} options`)
  t.end()
})

t.test('every option of a route is in a table of its page', t => {
  const routes = {
    'docs/route.md': ['plugins/forward.ts', 'ForwardRoute'],
    'docs/transform.md': ['proxy/transform-route.ts', 'TransformRoute'],
    'docs/compose.md': ['proxy/compose-route.ts', 'ComposeRoute', 'Part', 'PartCache'],
    'docs/version.md': ['versions/step.ts', 'Step'],
    'docs/websocket.md': ['plugins/websocket.ts', 'WebSocketRoute']
  }
  const rows = optionRows(pages.get('docs/websocket.md') ?? '')
  for (const [path, schema] of optionsOf(WebSocketOptions as unknown as Schema, '')) {
    const row = rows.find(({ name }) => name === path)
    t.ok(row, `docs/websocket.md: ${path}`)
    const text = defaultOf(path, schema)
    if (text !== undefined) t.ok(says(text)(row?.default ?? ''), `${path} is ${text} by default`)
  }
  for (const [page, [file = '', ...interfaces]] of Object.entries(routes)) {
    const cells = tableRows(pages.get(page) ?? '').map(([, first = '']) => first)
    for (const name of interfaces) {
      const members = membersOf(read(file), name)
      t.ok(members.length > 1, `${name} has ${members}`)
      for (const member of members)
        t.ok(
          cells.some(cell => new RegExp(`[\`.]${member}[\`.(]`).test(cell)),
          `${page}: ${name}.${member}`
        )
    }
  }
  t.end()
})

t.test('the page of errors has every error of the gateway, and no other', t => {
  /** Sent to nobody, or with a type that is not the gateway's own. */
  const unlisted = new Set([
    'CLIENT_CLOSED_REQUEST',
    'INVALID_OPTIONS',
    'LIMITS_UNAVAILABLE',
    'MIRRORED',
    'PART_CANCELLED',
    'UPSTREAM_STATUS'
  ])
  const codes = [...code.matchAll(/'SLUICE_(\w+)'/g)].map(([, name = '']) => name)
  const types = [...code.matchAll(/'urn:sluice:([\w-]+)'/g)].map(([, name = '']) => name)
  const defined = new Set([...codes.filter(name => !unlisted.has(name)).map(toType), ...types])
  t.ok(defined.size > 50, `${defined.size} errors`)
  const table = tableRows(pages.get('docs/reference/errors.md') ?? '').filter(([, status = '']) =>
    /^\d/.test(status)
  )
  const listed = new Set(
    table.flatMap(([, , type = '']) => [...type.matchAll(/`([\w-]+)`/g)].map(([, name = '']) => name))
  )
  listed.delete('temporary-reduced-capacity')
  t.same([...listed].sort(), [...defined].sort())
  t.end()
})

t.test('the page of metrics has every metric of the gateway, and no other', t => {
  const defined = new Set([...code.matchAll(/'(sluice_[a-z_]+)'/g)].map(([, name = '']) => name))
  t.ok(defined.size > 20, `${defined.size} metrics`)
  const rows = tableRows(pages.get('docs/reference/metrics.md') ?? '')
  const listed = rows.flatMap(([, first = '']) => first.match(/sluice_[a-z_]+/g) ?? [])
  t.same(listed.sort(), [...defined].sort())
  t.end()
})

t.test('the page of the log has every member of an entry, and no other', t => {
  const exchange = {
    config: { scope: 'orders', version: 'v1' },
    ...{ route: '/', grpcStatus: 0, cause: 'service-error', tier: 'free', decision: 'allowed' },
    ...{ upstream: 'orders', endpoint: 'http://127.0.0.1', attempts: 1 }
  }
  const record = {
    shared: new SharedFields(exchange as never, 'GET', 200),
    ...{ id: '1', traceparent: '', hasSpan: true, clientAddress: '::1', consumer: 'ada', abortReason: 'x' },
    causeDetail: 'x',
    ...{ bytesReceived: 1, bytesSent: 1, durationUs: 1, queueUs: 1, upstreamUs: 1, sendUs: 1 }
  }
  const entry = JSON.parse(`{${toLogEntry(record as never, '/', 0.5)}}`)
  const [table = ''] = /^\| member[\s\S]*?\n\n/m.exec(pages.get('docs/reference/log.md') ?? '') ?? []
  const listed = tableRows(table).flatMap(([, first = '']) => [...first.matchAll(/`(\w+)`/g)])
  t.same(listed.map(([, name]) => name).sort(), Object.keys(entry).sort())
  t.end()
})

t.test('the page of causes has every cause, and no other', t => {
  const rows = tableRows(pages.get('docs/reference/causes.md') ?? '').filter(([, , status = '']) =>
    /^(\dxx|\d{3})/.test(status)
  )
  const listed = rows.flatMap(([, first = '']) => [...first.matchAll(/`([\w-]+)`/g)].map(([, name]) => name))
  t.same(listed.sort(), [...CAUSES].sort())
  t.end()
})

t.test('the page of the command has every finding of sluice check, and no other', t => {
  const audit = globSync('cli/audit/*.ts', { cwd: root }).map(read).join('\n')
  const defined = new Set([...audit.matchAll(/code: '([a-z-]+)'/g)].map(([, name = '']) => name))
  t.ok(defined.size > 20, `${defined.size} findings`)
  const rows = tableRows(pages.get('docs/reference/cli.md') ?? '').filter(([, , severity = '']) =>
    /^(error|warning)/.test(severity)
  )
  t.same(rows.map(([, first = '']) => first.replaceAll('`', '')).sort(), [...defined].sort())
  t.end()
})

function toType(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}
