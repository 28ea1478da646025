import { parseArgs } from 'node:util'
import { explainFailure } from '../cluster/start-failure.ts'
import { version } from '../package-version.ts'
import { didYouMean } from '../schemas/options/did-you-mean.ts'
import { type Command, sanitize, type Terminal, UsageError, type Values } from './command.ts'

/** Loaded on use, so that help is fast. */
const COMMANDS: Record<string, { summary: string; load(): Promise<{ command: Command }> }> = {
  dev: { summary: 'run the gateway for development: reload on save', load: () => import('./dev.ts') },
  start: { summary: 'run the gateway', load: () => import('./start.ts') },
  reload: { summary: 'reload the config of a running gateway', load: () => import('./reload.ts') },
  status: { summary: 'show what is wrong with a running gateway', load: () => import('./status.ts') },
  check: { summary: 'validate and audit a config', load: () => import('./check.ts') },
  routes: { summary: 'list the routes of a config', load: () => import('./routes.ts') },
  explain: { summary: 'show what the gateway does with a request', load: () => import('./explain.ts') },
  openapi: { summary: 'write the OpenAPI document of a config', load: () => import('./openapi.ts') },
  import: { summary: 'write routes from an OpenAPI document', load: () => import('./import.ts') },
  tail: { summary: 'follow the exchanges of a running gateway', load: () => import('./tail.ts') }
}

const HELP = [
  'sluice COMMAND [OPTIONS]',
  '',
  ...Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`),
  '',
  'Run sluice help COMMAND or sluice COMMAND --help for details.',
  'Exit codes: 0 success, 1 faults found or failed, 2 wrong usage.'
].join('\n')

/** Runs a command line. Exits with its exit code, unless the command keeps running. */
export async function main(args: string[]): Promise<void> {
  const end = new AbortController()
  process.stdout.on('error', error => {
    // The reader of the pipe has closed it, as `head` does.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(0)
    throw error
  })
  const code = await run(args, {
    print: (...lines) => void process.stdout.write(`${lines.join('\n')}\n`),
    printError: line => void process.stderr.write(`${line}\n`),
    env: process.env,
    signal: end.signal,
    hasColors: process.stdout.isTTY && process.stdout.hasColors()
  })
  // Exit explicitly: handles that a config has opened would keep the process alive.
  if (code !== undefined) process.stdout.write('', () => process.exit(code))
}

/** Resolves with the exit code, or undefined if the command keeps running. */
export async function run(args: string[], terminal: Terminal): Promise<number | undefined> {
  try {
    return await dispatch(args, terminal)
  } catch (error) {
    const isUsage = error instanceof UsageError || isParseError(error)
    const lines = (isUsage ? `sluice: ${(error as Error).message}` : explainFailure(error)).split('\n')
    terminal.printError((isUsage ? lines.slice(0, 1) : lines).map(sanitize).join('\n'))
    return isUsage ? 2 : 1
  }
}

async function dispatch([first, ...args]: string[], terminal: Terminal): Promise<number | undefined> {
  if (first === '--version' || first === '-v') {
    terminal.print(version)
    return 0
  }
  const isHelp = first === 'help' || first === '--help' || first === '-h'
  const name = isHelp ? args[0] : first
  if (name === undefined) {
    if (!isHelp) throw new UsageError('missing command; run sluice help for a list')
    terminal.print(HELP)
    return 0
  }
  const names = Object.keys(COMMANDS)
  if (!Object.hasOwn(COMMANDS, name))
    throw new UsageError(
      `unknown command ${JSON.stringify(name)}${didYouMean(name, names) || ';'} run sluice help for a list`
    )
  const { command } = await (COMMANDS[name] as (typeof COMMANDS)[string]).load()
  const { values, positionals } = parse(isHelp ? [] : args, {
    ...command.options,
    help: { type: 'boolean', short: 'h' }
  })
  if (isHelp || values.help) {
    terminal.print(command.help)
    return 0
  }
  const empty = Object.entries(values).find(([option, value]) => value === '' && !MAY_BE_EMPTY.has(option))
  if (empty !== undefined) throw new UsageError(`--${empty[0]} must not be empty`)
  const { positionals: expected = [] } = command
  if (positionals.length !== expected.length)
    throw new UsageError(
      expected.length === 0
        ? `${name}: unexpected argument ${JSON.stringify(positionals[0])}`
        : `${name} needs the arguments ${expected.join(' and ')}`
    )
  return command.run(values as Values, positionals, terminal)
}

/** `--data` is a request body. */
const MAY_BE_EMPTY = new Set(['data'])

function parse(args: string[], options: Command['options']) {
  try {
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const [, name = ''] = /'(-[^']*)'/.exec(message) ?? []
    if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') throw error
    const known = Object.keys(options).map(option => `--${option}`)
    throw new UsageError(`unknown option ${name}${didYouMean(name, known)}`)
  }
}

function isParseError(error: unknown): boolean {
  return String((error as NodeJS.ErrnoException | null)?.code).startsWith('ERR_PARSE_ARGS_')
}
