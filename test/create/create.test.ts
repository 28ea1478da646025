import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import createJson from '../../create/package.json' with { type: 'json' }
import projectJson from '../../create/template/package.json' with { type: 'json' }
import packageJson from '../../package.json' with { type: 'json' }
import { startService } from '../../testing.ts'
import { SOURCES } from '../harness.ts'

/** `create-sluice` as a process. test/package/package.test.ts installs and runs what it creates. */

const root = fileURLToPath(new URL('../..', import.meta.url))
const bin = join(root, 'create/index.js')

function create(cwd: string, args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
    cwd,
    env,
    encoding: 'utf8'
  })
  return { status, stdout, stderr }
}

t.test('it has the version and the Node versions of the gateway', async t => {
  t.equal(createJson.version, packageJson.version)
  t.equal(projectJson.dependencies.sluice, `^${packageJson.version}`)
  t.same([createJson.engines, projectJson.engines], [packageJson.engines, packageJson.engines])
})

t.test('a project has the packages with which the gateway is built', async t => {
  const known: Record<string, string> = { ...packageJson.devDependencies, ...packageJson.dependencies }
  for (const [name, range] of Object.entries({ ...projectJson.dependencies, ...projectJson.devDependencies }))
    if (name !== packageJson.name) t.equal(range, known[name], name)
})

t.test('it creates a project, named after its folder', async t => {
  const cwd = t.testdir()
  const { status, stdout, stderr } = create(cwd, ['Shop-Gateway'])
  t.same([status, stderr], [0, ''])
  t.match(stdout, /^Created Shop-Gateway\. Next:\n\n {2}cd Shop-Gateway\n {2}npm install\n {2}npm run dev /)
  const read = (file: string) => readFileSync(join(cwd, 'Shop-Gateway', file), 'utf8')
  const project = JSON.parse(read('package.json'))
  t.match(project, { name: 'shop-gateway', dependencies: { [packageJson.name]: `^${packageJson.version}` } })
  t.match(read('README.md'), /^# shop-gateway\n/)
  t.match(read('.gitignore'), /^node_modules\/$/m)
  t.notOk(existsSync(join(cwd, 'Shop-Gateway/gitignore')))
})

t.test('a port of its services that is in use is said in one line', async t => {
  const cwd = t.testdir({})
  create(cwd, ['shop'])
  mkdirSync(join(cwd, 'shop/node_modules'))
  symlinkSync(root, join(cwd, 'shop/node_modules', packageJson.name))
  const used = await startService(t, () => {})
  for (const name of ['ORDERS_URL', 'PRODUCTS_URL', 'JWT_ISSUER']) {
    const free = 'http://127.0.0.1:0'
    const env = { ORDERS_URL: free, PRODUCTS_URL: free, JWT_ISSUER: free, [name]: used }
    const run = spawnSync(process.execPath, [SOURCES, 'dev/services.ts'], {
      cwd: join(cwd, 'shop'),
      env,
      encoding: 'utf8',
      timeout: 60_000
    })
    const line = `listen EADDRINUSE: address already in use ${new URL(used).host}. Set ORDERS_URL, PRODUCTS_URL or JWT_ISSUER to use another port.\n`
    t.same([run.status, run.stderr], [1, line], name)
  }
})

t.test(
  'the config of a project names what is missing in production, and needs nothing otherwise',
  async t => {
    const cwd = t.testdir({})
    create(cwd, ['shop'])
    const folder = join(cwd, 'shop')
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(root, join(folder, 'node_modules', packageJson.name))
    const check = (env: Record<string, string>) => {
      const args = [SOURCES, join(root, 'cli/sluice.js'), 'check', '--strict']
      return spawnSync(process.execPath, args, { cwd: folder, env, encoding: 'utf8' }).stdout
    }
    t.equal(check({}), '0 errors, 0 warnings\n')

    const production = { NODE_ENV: 'production' }
    const missing = [...check(production).matchAll(/^fault +(\w+) is missing$/gm)].map(([, name]) => name)
    t.same(missing, ['ORDERS_URL', 'PRODUCTS_URL', 'JWT_ISSUER'])
    const urls = {
      ORDERS_URL: 'http://orders',
      PRODUCTS_URL: 'http://products',
      JWT_ISSUER: 'https://login.test'
    }
    const proxied = { TRUST_PROXY: '10.0.0.1,192.0.2.0/24', GATEWAYS: '2' }
    t.equal(check({ ...production, ...urls, ...proxied }), '0 errors, 0 warnings\n')
    t.match(check({ TRUST_PROXY: 'x', GATEWAYS: '0' }), /GATEWAYS must be >= 1\n.*\/trustProxy\/0 must be/)
  }
)

t.test('it fills the current folder, and my-gateway without an argument', async t => {
  const cwd = t.testdir({ here: { '.git': {} } })
  t.match(create(join(cwd, 'here'), ['.']), {
    status: 0,
    stdout: /^Created a project\. Next:\n\n {2}npm install\n/
  })
  t.match(create(cwd, []), { status: 0, stdout: /^Created my-gateway\. Next:/ })
  t.match(create(cwd, ['a/b c/d']), { status: 0, stdout: /^ {2}cd 'a\/b c\/d'$/m })
})

t.test('it names the package manager that runs it', async t => {
  const cwd = t.testdir()
  for (const [agent, commands] of [
    ['pnpm/11.0.0 npm/? node/v26.0.0', /pnpm install\n {2}pnpm run dev .*\n {2}pnpm test\n/],
    ['yarn/4.9.0', /yarn install\n {2}yarn run dev .*\n {2}yarn test\n/],
    ['bun/1.4.0', /bun install\n {2}bun run dev .*\n {2}bun run test\n/],
    ['other/1', /npm install\n {2}npm run dev .*\n {2}npm test\n/]
  ] as const)
    t.match(create(cwd, [agent.split('/')[0] as string], { npm_config_user_agent: agent }).stdout, commands)
})

t.test('it writes nothing into a folder that is not empty', async t => {
  const cwd = t.testdir({ full: { 'notes.txt': 'mine' } })
  t.match(create(cwd, ['full']), {
    status: 2,
    stdout: '',
    stderr: 'create-sluice: full is not empty: it contains notes.txt; nothing was written\n'
  })
  t.notOk(existsSync(join(cwd, 'full/package.json')))
})

t.test('a link to an empty folder is filled, and a link to nothing is named', async t => {
  const cwd = t.testdir({
    real: {},
    link: t.fixture('symlink', 'real'),
    broken: t.fixture('symlink', 'gone/x')
  })
  t.equal(create(cwd, ['link']).status, 0)
  t.ok(existsSync(join(cwd, 'real/package.json')))
  t.match(create(cwd, ['broken']), {
    status: 1,
    stderr: /^[^\n]+broken cannot be created: a part of the path is a link to nothing\n$/
  })
})

t.test('two processes do not mix their files, and one that fails says what to remove', async t => {
  const cwd = t.testdir()
  // Another process has won between the look into the folder and the copy.
  const race = `data:text/javascript,${encodeURIComponent(`
    import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    const { readdirSync } = fs
    fs.readdirSync = (...args) => {
      const found = readdirSync(...args)
      fs.writeFileSync('raced/package.json', 'theirs')
      return found
    }
    syncBuiltinESMExports()
  `)}`
  const { status, stderr } = spawnSync(process.execPath, [`--import=${race}`, bin, 'raced'], {
    cwd,
    env: {},
    encoding: 'utf8'
  })
  t.equal(status, 1)
  t.match(
    stderr,
    /^\S+raced\/package\.json was created by another process; remove raced, which is incomplete, .+\n$/
  )
  t.equal(readFileSync(join(cwd, 'raced/package.json'), 'utf8'), 'theirs')
})

t.test('a wrong command line gets one line', async t => {
  const cwd = t.testdir({ file: '' })
  const refused = [
    [['--typescript'], 'create-sluice: unknown option --typescript; see --help'],
    [['a', 'b'], 'create-sluice: one folder is expected, not 2; see --help'],
    [[''], 'create-sluice: the folder must not be empty; see --help'],
    [['/'], 'create-sluice: "" cannot be the name of a package'],
    [['.hidden'], 'create-sluice: ".hidden" cannot be the name of a package'],
    [['--', '-x'], 'create-sluice: "-x" cannot be the name of a package'],
    [['a:b'], 'create-sluice: "a:b" cannot be the name of a package'],
    [['node_modules'], 'create-sluice: "node_modules" cannot be the name of a package'],
    [['sluice'], 'create-sluice: "sluice" cannot be the name of a package'],
    [['x'.repeat(215)], 'cannot be the name of a package']
  ] as const
  for (const [args, message] of refused) {
    const { status, stdout, stderr } = create(cwd, [...args])
    t.same([status, stdout], [2, ''], args.join(' '))
    t.ok(stderr.includes(message) && /^[^\n]+\n$/.test(stderr), stderr)
  }
  t.match(create(cwd, ['file']), {
    status: 1,
    stderr: /^[^\n]*file cannot be created: a part of the path is a file\n$/
  })
  t.match(create(cwd, ['file/in']), {
    status: 1,
    stderr: /cannot be created: a part of the path is a file\n$/
  })
})

t.test('a folder that cannot be written is named', async t => {
  const cwd = t.testdir({ locked: {} })
  chmodSync(join(cwd, 'locked'), 0o500)
  // root may write everywhere but here.
  const folder = process.getuid?.() === 0 && existsSync('/sys') ? '/sys' : join(cwd, 'locked')
  t.match(create(folder, ['in']), { status: 1, stderr: /^[^\n]+cannot be written: no permission\n$/ })
})

t.test('help and version', async t => {
  const cwd = t.testdir()
  t.match(create(cwd, ['--help']), { status: 0, stdout: /^npm create sluice@latest \[FOLDER\]\n/ })
  t.match(create(cwd, ['-v']), { status: 0, stdout: `${packageJson.version}\n` })
  mkdirSync(join(cwd, 'empty'))
  writeFileSync(join(cwd, 'empty/.DS_Store'), '')
  t.equal(create(cwd, ['empty']).status, 0)
})

t.test('an unsupported Node gets one line', async t => {
  const fake = `data:text/javascript,Object.defineProperty(process,'version',{value:'v20.19.0'})`
  const { status, stderr } = spawnSync(process.execPath, [`--import=${fake}`, bin, 'x'], {
    cwd: t.testdir(),
    env: {},
    encoding: 'utf8'
  })
  t.equal(status, 2)
  t.equal(
    stderr,
    'create-sluice needs Node 22 (22.19 or later), 24 (24.4 or later) or 26; this is v20.19.0\n'
  )
})
