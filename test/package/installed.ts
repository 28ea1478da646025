import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { cp, readFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Milliseconds for one command. */
const TIMEOUT = 300_000

export interface Packed {
  /** Path of the tarball. */
  tarball: string
  /** Paths of the files in it. */
  files: string[]
}

/** An app with the packed package installed. */
export interface InstalledApp {
  folder: string
  /** Runs a command in the app's folder. @throws with the output if it fails. */
  run(command: string, args: string[], options?: RunOptions): Promise<string>
  start(command: string, args: string[], options?: RunOptions): ChildProcess
}

export interface RunOptions {
  /** Path of the Node that the command finds on its PATH. Default: that of this process. */
  node?: string
  env?: Record<string, string>
}

/** Builds the package and packs it into `folder`, unless `.ci/run` has packed it into SLUICE_PACKED, with pack.json beside. */
export async function pack(folder: string): Promise<Packed> {
  const { SLUICE_PACKED } = process.env
  const directory = SLUICE_PACKED ?? folder
  const output = SLUICE_PACKED
    ? await readFile(join(SLUICE_PACKED, 'pack.json'), 'utf8')
    : await npm(['pack', '--json', '--silent', '--pack-destination', directory], root)
  const [{ filename, files }] = JSON.parse(output.slice(output.indexOf('[')))
  return { tarball: join(directory, filename), files: files.map(({ path }: { path: string }) => path) }
}

/** Packs `create-sluice` into `directory`. Returns the path of the tarball. */
export async function packCreate(directory: string): Promise<string> {
  const output = await npm(
    ['pack', '--json', '--silent', '--pack-destination', directory],
    join(root, 'create')
  )
  return join(directory, JSON.parse(output)[0].filename)
}

/** Copies the app in test/package/app to `folder` and installs `packages` there. */
export async function installApp(folder: string, packages: string[]): Promise<InstalledApp> {
  await cp(join(root, 'test/package/app'), folder, { recursive: true })
  return installIn(folder, packages)
}

/** Installs `packages`, and those of its package.json, in the app in `folder`. */
export async function installIn(folder: string, packages: string[]): Promise<InstalledApp> {
  await npm(['install', '--prefer-offline', '--no-audit', '--no-fund', ...packages], folder)
  return {
    folder,
    run: (command, args, options) => run(command, args, folder, envOf(options)),
    start: (command, args, options) => spawn(command, args, { cwd: folder, env: envOf(options) })
  }
}

/** Installs a version of Node into `folder`, from the package of its platform. Returns the path of its program. */
export async function installNode(folder: string, version: string): Promise<string> {
  const name = `node-${process.platform}-${process.arch}`
  await npm(['install', '--no-save', '--prefix', folder, `${name}@${version}`], dirname(folder))
  return join(folder, 'node_modules', name, 'bin/node')
}

/** Runs npm with the environment of this process, which may name a registry and its certificates; `NODE_OPTIONS` is for tests. */
export function npm(args: string[], cwd: string): Promise<string> {
  const { NODE_OPTIONS: _, ...env } = process.env
  return run('npm', args, cwd, env)
}

async function run(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  const settings = { cwd, env, timeout: TIMEOUT, maxBuffer: 10_000_000 }
  try {
    return (await promisify(execFile)(command, args, settings)).stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${command} ${args.join(' ')} failed: ${stdout}\n${stderr}`, { cause: error })
  }
}

/** Without what npm and tap set for the repository. */
function envOf({ node = process.execPath, env }: RunOptions = {}): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env
  return { HOME, PATH: `${dirname(node)}${delimiter}${PATH}`, ...env }
}
