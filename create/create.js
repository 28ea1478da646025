import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const GATEWAY = 'sluice'
const { version, engines } = readJson(new URL('package.json', import.meta.url))

const HELP = `npm create sluice@latest [FOLDER]

Creates a project with an API gateway in FOLDER (default: my-gateway), which must be empty or new.

  -h, --help     show this text
  -v, --version  show the version`

/** npm, pnpm, yarn and bun name themselves in the environment of the programs that they start. */
const MANAGERS = new Set(['npm', 'pnpm', 'yarn', 'bun'])
/** Names that a package may have (npm's rules), without a scope. Programs read one that starts with - as an option. */
const NAME = /^[a-z0-9][a-z0-9._~-]{0,213}$/
const RESERVED = new Set(['node_modules', 'favicon.ico', GATEWAY])
/** Files that a folder may contain and still count as empty. */
const HARMLESS = new Set(['.git', '.DS_Store', 'Thumbs.db'])

class UsageError extends Error {}

/**
 * Creates a project. Returns the exit code: 0 success, 1 failed, 2 wrong usage.
 *
 * @param {string[]} args
 * @returns {number}
 */
export function main(args) {
  try {
    const { values, positionals } = parse(args)
    if (values.help) console.log(HELP)
    else if (values.version) console.log(version)
    else create(positionals[0] ?? 'my-gateway')
    return 0
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`create-sluice: ${error.message}`)
      return 2
    }
    console.error(explain(error))
    return 1
  }
}

/** @param {string[]} args */
function parse(args) {
  const options = /** @type {const} */ ({
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' }
  })
  try {
    const parsed = parseArgs({ args, options, allowPositionals: true })
    if (parsed.positionals.length > 1)
      throw new UsageError(`one folder is expected, not ${parsed.positionals.length}; see --help`)
    if (parsed.positionals[0] === '') throw new UsageError('the folder must not be empty; see --help')
    return parsed
  } catch (error) {
    if (error instanceof UsageError) throw error
    const { message } = /** @type {Error} */ (error)
    const [, option] = /'(-[^']*)'/.exec(message) ?? []
    throw new UsageError(`${option ? `unknown option ${option}` : message}; see --help`)
  }
}

/** @param {string} target */
function create(target) {
  const folder = resolve(target)
  const name = basename(folder).toLowerCase()
  if (!NAME.test(name) || RESERVED.has(name))
    throw new UsageError(
      `${JSON.stringify(basename(folder))} cannot be the name of a package: use letters, digits, - and _, and start with a letter or digit`
    )
  mkdirSync(folder, { recursive: true })
  const found = readdirSync(folder).find(file => !HARMLESS.has(file))
  if (found !== undefined)
    throw new UsageError(`${target} is not empty: it contains ${found}; nothing was written`)
  try {
    write(folder, name)
  } catch (error) {
    throw new Error(`${explain(error)}; remove ${target}, which is incomplete, and try again`)
  }
  console.log(nextSteps(relative('', folder)))
}

/**
 * @param {string} folder an empty folder
 * @param {string} name of the package
 */
function write(folder, name) {
  const template = fileURLToPath(new URL('template', import.meta.url))
  // Each entry by itself: the folder exists, and may be a link. Nothing is replaced if two processes write into it.
  for (const entry of readdirSync(template))
    cpSync(join(template, entry), join(folder, entry), { recursive: true, force: false, errorOnExist: true })
  // npm leaves files of this name out of packages.
  renameSync(join(folder, 'gitignore'), join(folder, '.gitignore'))
  const file = join(folder, 'package.json')
  const project = readJson(file)
  const own = {
    ...project,
    name,
    engines,
    dependencies: { ...project.dependencies, [GATEWAY]: `^${version}` }
  }
  writeFileSync(file, `${JSON.stringify(own, null, 2)}\n`)
  for (const named of ['README.md', 'Dockerfile'].map(name => join(folder, name)))
    writeFileSync(named, readFileSync(named, 'utf8').replaceAll('my-gateway', name))
}

/** @param {string} folder relative to the working directory; empty if that is the project */
function nextSteps(folder) {
  const [agent = ''] = (process.env.npm_config_user_agent ?? '').split('/')
  const manager = MANAGERS.has(agent) ? agent : 'npm'
  const shown = /^[\w./-]+$/.test(folder) ? folder : `'${folder.replaceAll("'", "'\\''")}'`
  const lines = [
    ...(folder === '' ? [] : [`cd ${shown}`]),
    `${manager} install`,
    `${manager} run dev    # gateway, services and an issuer, with requests to try`,
    `${manager === 'bun' ? 'bun run' : manager} test`
  ]
  return `Created ${folder === '' ? 'a project' : folder}. Next:\n\n${lines.map(line => `  ${line}`).join('\n')}\n`
}

/** @param {any} error */
function explain({ code, path, message }) {
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return `${path} cannot be written: no permission`
  if (code === 'ENOTDIR' || code === 'EEXIST')
    return `${path} cannot be created: a part of the path is a file`
  if (code === 'ENOENT' || code === 'ELOOP')
    return `${path} cannot be created: a part of the path is a link to nothing`
  if (code === 'ERR_FS_CP_EEXIST') return `${path} was created by another process`
  if (code === 'ENOSPC') return 'the project cannot be written: the disk is full'
  return message
}

/**
 * @param {string | URL} file
 * @returns {any}
 */
function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'))
}
