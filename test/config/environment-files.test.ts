import { execFileSync } from 'node:child_process'
import { chmodSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineGateway } from 'sluice'
import t from 'tap'
import Type, { type Static } from 'typebox'
import { resolveConfig } from '../../config/resolve-config.ts'
import { ConfigError } from '../../schemas/options/faults.ts'
import { sluice } from '../cli/golden.ts'

const SECRET = 'correct-horse-battery'

const environment = Type.Object({
  ADMIN_TOKEN: Type.String({ minLength: 16 }),
  PORT: Type.Integer({ default: 8080 }),
  CERT: Type.Optional(Type.String()),
  /** A variable of the config itself: the path of a file. */
  CERT_FILE: Type.String({ default: 'none' })
})

const seen: Static<typeof environment>[] = []
const module = {
  environment,
  default(env: Static<typeof environment>) {
    seen.push(env)
    return defineGateway({ admin: { token: env.ADMIN_TOKEN }, listen: { port: env.PORT } })
  }
}

function tokenFrom(file: string): string | undefined {
  return resolveConfig(module, { ADMIN_TOKEN_FILE: file }).admin.token
}

function faultsOf(env: NodeJS.ProcessEnv): string[] {
  try {
    resolveConfig(module, env)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.faults.map(({ path, message }) => `${path} ${message}`).sort()
  }
}

t.test('a variable whose name ends with _FILE names a file with the value', async t => {
  const contents = {
    bare: SECRET,
    newline: `${SECRET}\n`,
    crlf: `${SECRET}\r\n`,
    mark: `\ufeff${SECRET}`,
    longest: `${SECRET.padEnd(4_096, 'x')}`
  }
  const folder = t.testdir(contents)
  for (const name of ['bare', 'newline', 'crlf', 'mark']) t.equal(tokenFrom(join(folder, name)), SECRET, name)
  t.equal(tokenFrom(join(folder, 'longest'))?.length, 4_096)
  writeFileSync(join(folder, 'lines'), ` ${SECRET}\n\n`)
  faultsOf({ ADMIN_TOKEN_FILE: join(folder, 'lines') })
  t.equal(seen.at(-1)?.ADMIN_TOKEN, ` ${SECRET}\n`, 'only one newline is removed, and no space')
  // As Kubernetes mounts secrets.
  symlinkSync('newline', join(folder, 'link'))
  t.equal(tokenFrom(join(folder, 'link')), SECRET)
})

t.test('numbers are read from files too, and an empty variable counts as not set', async t => {
  const folder = t.testdir({ port: '9000\n', token: SECRET })
  const config = resolveConfig(module, {
    ADMIN_TOKEN: '',
    ADMIN_TOKEN_FILE: join(folder, 'token'),
    PORT_FILE: join(folder, 'port')
  })
  t.equal(config.listen.port, 9000)
  t.equal(resolveConfig(module, { ADMIN_TOKEN: SECRET, ADMIN_TOKEN_FILE: '' }).admin.token, SECRET)
})

t.test('a variable that the config declares with such a name keeps its meaning', async t => {
  const path = join(t.testdir({ cert: 'PEM' }), 'cert')
  resolveConfig(module, { ADMIN_TOKEN: SECRET, CERT: 'x', CERT_FILE: path })
  t.match(seen.at(-1), { CERT: 'x', CERT_FILE: path })
})

t.test('a file that cannot be the value is a fault, which does not show it', async t => {
  const folder = t.testdir({
    directory: {},
    empty: '',
    newline: '\n',
    large: SECRET.padEnd(65_537, 'x'),
    binary: Buffer.from([...Buffer.from(SECRET), 0]),
    utf16: Buffer.from(`\ufeff${SECRET}`, 'utf16le'),
    latin1: Buffer.from(`${SECRET}é`, 'latin1')
  })
  execFileSync('mkfifo', [join(folder, 'pipe')])
  for (const [name, message] of Object.entries({
    missing: 'names a file that does not exist',
    'empty/below': 'names a file that does not exist',
    // A secret itself, by mistake.
    [SECRET]: 'names a file that does not exist',
    directory: 'names a directory',
    pipe: 'must name a regular file',
    empty: 'names an empty file',
    newline: 'names an empty file',
    large: 'names a file of more than 64 KiB',
    binary: 'names a file that is not UTF-8 text',
    utf16: 'names a file that is not UTF-8 text',
    latin1: 'names a file that is not UTF-8 text',
    ['x'.repeat(300)]: 'names a file that cannot be read (ENAMETOOLONG)'
  }))
    t.same(faultsOf({ ADMIN_TOKEN_FILE: join(folder, name) }), [`ADMIN_TOKEN_FILE ${message}`], name)
})

t.test('a file that the process may not read is a fault', async t => {
  const file = join(t.testdir({ token: SECRET }), 'token')
  chmodSync(file, 0)
  // Root may read every file.
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  const faults = faultsOf({ ADMIN_TOKEN_FILE: file })
  if (isRoot) process.seteuid?.(0)
  t.same(faults, ['ADMIN_TOKEN_FILE names a file that this process is not permitted to read'])
})

t.test('all faults are reported together, without values', async t => {
  const folder = t.testdir({ short: 'hunter2', port: 'hunter3' })
  const both = { ADMIN_TOKEN: SECRET, ADMIN_TOKEN_FILE: join(folder, 'short') }
  t.same(faultsOf({ ...both, PORT_FILE: join(folder, 'missing') }), [
    'ADMIN_TOKEN_FILE is set together with ADMIN_TOKEN; set only one of them',
    'PORT_FILE names a file that does not exist'
  ])
  t.same(faultsOf({ ADMIN_TOKEN_FILE: join(folder, 'short'), PORT_FILE: join(folder, 'port') }), [
    'ADMIN_TOKEN must not have fewer than 16 characters (read from ADMIN_TOKEN_FILE)',
    'PORT must be integer (read from PORT_FILE)'
  ])
  t.same(faultsOf({}), ['ADMIN_TOKEN is missing'])
})

t.test('sluice check reads the files and reports faults of them', async t => {
  const folder = t.testdir({ token: `${SECRET}\n`, redis: 'http://:hunter2@r' })
  t.equal((await sluice(['check'], { ADMIN_TOKEN_FILE: join(folder, 'token') })).code, 0)
  const { code, out } = await sluice(['check'], {
    ADMIN_TOKEN_FILE: folder,
    REDIS_URL_FILE: join(folder, 'redis')
  })
  t.equal(code, 1)
  t.match(out, /^fault {4}ADMIN_TOKEN_FILE names a directory$/m)
  t.match(out, /^fault {4}REDIS_URL must be a URL .+ \(read from REDIS_URL_FILE\)$/m)
  t.notMatch(out, 'hunter2')
})
