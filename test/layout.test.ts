import { globSync, readFileSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'
import t from 'tap'

/** Checks where files are and what they import, so that the tree stays readable. */

const root = join(import.meta.dirname, '..')

/** Folders and files, from those that import nothing to those that import everything. */
const LAYERS = [
  [
    'app-state.ts',
    'environment-value.ts',
    'package-version.ts',
    'supervisor-channel.ts',
    'schemas/options/',
    'http/'
  ],
  ['auth/', 'limits/', 'observe/', 'openapi/', 'proxy/', 'versions/'],
  ['config/', 'plugins/', 'server-options.ts'],
  ['gateway.ts'],
  ['admin/'],
  ['cluster/'],
  ['cli/', 'server.ts', 'admin/dashboard/']
]

/** The last layer, because admin/dashboard/ is in admin/ but reads the types of all. */
const layerOf = (file: string) =>
  LAYERS.findLastIndex(layer =>
    layer.some(place => (place.endsWith('/') ? file.startsWith(place) : file === place))
  )

t.test('imports run one way', async t => {
  const files = globSync(
    '{admin,auth,cli,cluster,config,http,limits,observe,openapi,plugins,proxy,schemas/options,versions}/**/*.{ts,tsx}',
    {
      cwd: root
    }
  )
  t.ok(files.length > 150, `${files.length} files`)
  for (const file of [...files, ...LAYERS.flat().filter(place => place.endsWith('.ts'))]) {
    const code = readFileSync(join(root, file), 'utf8')
    for (const [, path = ''] of code.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
      const imported = normalize(join(dirname(file), path))
      t.ok(layerOf(imported) <= layerOf(file), `${file} imports ${imported}`)
    }
  }
})

t.test('the dashboard imports only types of the gateway', async t => {
  const files = globSync('admin/dashboard/**/*.{ts,tsx}', { cwd: root })
  t.ok(files.length > 10, `${files.length} files`)
  for (const file of files) {
    const code = readFileSync(join(root, file), 'utf8')
    for (const [line, path = ''] of code.matchAll(/^import .*?from '(\.[^']+)'/gms)) {
      const imported = normalize(join(dirname(file), path))
      t.ok(imported.startsWith('admin/dashboard/') || line.startsWith('import type'), `${file}: ${line}`)
    }
  }
})

t.test('every file of plugins/ is a Fastify plugin with the name of its file', async t => {
  const files = globSync('plugins/**/*.ts', { cwd: root })
  t.ok(files.length > 20, `${files.length} plugins`)
  for (const file of files) {
    const { default: plugin } = await import(join(root, file))
    const meta = plugin?.[Symbol.for('plugin-meta')]
    const name = basename(file) === 'index.ts' ? basename(dirname(file)) : basename(file, '.ts')
    t.equal(meta?.name, `sluice-${name}`, file)
    t.equal(meta?.fastify, '5.x', file)
  }
})
t.test('no file has more than 270 lines', async t => {
  for (const file of globSync(
    '{admin,auth,cli,cluster,config,http,limits,observe,openapi,plugins,proxy,schemas,versions}/**/*.{ts,tsx}',
    { cwd: root }
  ))
    t.ok(readFileSync(join(root, file), 'utf8').split('\n').length <= 271, file)
})
