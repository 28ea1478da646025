import { parseArgs } from 'node:util'
import { explainFailure } from '../cluster/config.ts'
import { version } from '../package-version.ts'
import { didYouMean } from '../schemas/options/did-you-mean.ts'
import { type Command, plain, type Terminal, UsageError, type Values } from './command.ts'

/** Loaded when they are called, so that help comes at once. */
const COMMANDS: Record<string, { summary: string; load(): Promise<{ command: Command }> }> = {
  start: { summary: 'run the gateway', load: () => import('./start.ts') },
  reload: { summary: 'have a running gateway take its config anew', load: () => import('./reload.ts') },
  check: { summary: 'validate and audit a config; nothing is started', load: () => import('./check.ts') },
  routes: { summary: 'list what a config serves', load: () => import('./routes.ts') },
  explain: { summary: 'say what would become of a request', load: () => import('./explain.ts') },
  tail: { summary: 'follow the exchanges of a running gateway', load: () => import('./tail.ts') }
}

const HELP = [
  'sluice COMMAND [OPTIONS]',
  '',
  ...Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`),
  '',
  'sluice help COMMAND, or sluice COMMAND --help, says more. Exit codes: 0 fine, 1 faults found or failed, 2 wrong usage.'
].join('\n')

/** Runs a command line and ends the process by its exit code, unless the command goes on. */
export async function main(args: string[]): Promise<void> {
  const end = new AbortController()
  process.stdout.on('error', error => {
    // Whoever read it has what they wanted.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(0)
    throw error
  })
  const code = await run(args, {
    print: (...lines) => void process.stdout.write(`${lines.join('\n')}\n`),
    complain: line => void process.stderr.write(`${line}\n`),
    env: process.env,
    signal: end.signal
  })
  // Whatever a config has opened would keep the process.
  if (code !== undefined) process.stdout.write('', () => process.exit(code))
}

/** Resolves with the exit code; undefined if the command goes on. */
export async function run(args: string[], terminal: Terminal): Promise<number | undefined> {
  try {
    return await dispatch(args, terminal)
  } catch (error) {
    const isUsage = error instanceof UsageError || isParseError(error)
    const lines = (isUsage ? `sluice: ${(error as Error).message}` : explainFailure(error)).split('\n')
    terminal.complain((isUsage ? lines.slice(0, 1) : lines).map(plain).join('\n'))
    return isUsage ? 2 : 1
  }
}

async function dispatch([name, ...args]: string[], terminal: Terminal): Promise<number | undefined> {
  if (name === '--version' || name === '-v') {
    terminal.print(version)
    return 0
  }
  const isHelp = name === 'help' || name === '--help' || name === '-h'
  const asked = isHelp ? args[0] : name
  if (asked === undefined) {
    if (!isHelp) throw new UsageError('a command is missing; sluice help lists them')
    terminal.print(HELP)
    return 0
  }
  if (!Object.hasOwn(COMMANDS, asked))
    throw new UsageError(
      `there is no command ${JSON.stringify(asked)}${didYouMean(asked, Object.keys(COMMANDS)) || ';'} sluice help lists them`
    )
  const { command } = await (COMMANDS[asked] as (typeof COMMANDS)[string]).load()
  const { values, positionals } = parse(isHelp ? [] : args, {
    ...command.options,
    help: { type: 'boolean', short: 'h' }
  })
  if (isHelp || values.help) {
    terminal.print(command.help)
    return 0
  }
  const empty = Object.entries(values).find(([name, value]) => value === '' && !MAY_BE_EMPTY.has(name))
  if (empty !== undefined) throw new UsageError(`--${empty[0]} must not be empty`)
  const { positionals: names = [] } = command
  if (positionals.length !== names.length)
    throw new UsageError(
      names.length === 0
        ? `${asked} takes no ${JSON.stringify(positionals[0])}`
        : `${asked} takes ${names.join(' and ')}`
    )
  return command.run(values as Values, positionals, terminal)
}

/** A request's body. */
const MAY_BE_EMPTY = new Set(['data'])

function parse(args: string[], options: Command['options']) {
  try {
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const [, name = ''] = /'(-[^']*)'/.exec(message) ?? []
    if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') throw error
    const known = Object.keys(options).map(option => `--${option}`)
    throw new UsageError(`there is no option ${name}${didYouMean(name, known)}`)
  }
}

function isParseError(error: unknown): boolean {
  return String((error as NodeJS.ErrnoException | null)?.code).startsWith('ERR_PARSE_ARGS_')
}
