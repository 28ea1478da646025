import type { ParseArgsConfig } from 'node:util'

export { sanitize } from '../observe/sanitize.ts'

/** An invalid command line: exit code 2. */
export class UsageError extends Error {}

type Options = NonNullable<ParseArgsConfig['options']>

/** Options as returned by `parseArgs`. */
export type Values = Record<string, string | boolean | (string | boolean)[] | undefined>

/** Output and environment of a command. */
export interface Terminal {
  /** Prints lines to standard output. */
  print(...lines: string[]): void
  /** Prints a line to standard error. */
  printError(line: string): void
  env: NodeJS.ProcessEnv
  /** Aborted when the command must end. */
  signal: AbortSignal
  /** True if standard output is a terminal with colors, and NO_COLOR is not set. */
  hasColors?: boolean
}

export interface Command {
  options: Options
  /** Names of the required arguments. Default: none. */
  positionals?: readonly string[]
  help: string
  /** Resolves with the exit code (0 success, 1 faults found or failed), or undefined to keep the process running. */
  run(values: Values, positionals: string[], terminal: Terminal): Promise<number | undefined>
}

/** Options that several commands share. */
export const configOption = { config: { type: 'string', short: 'c', default: 'fastify.config.ts' } } as const
export const jsonOption = { json: { type: 'boolean', default: false } } as const

/** Pads cells to columns of equal width, except for the last column. */
export function alignColumns(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map(row => (row[i] as string).length)))
  return rows.map(row =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] as number)))
      .join('  ')
      .trimEnd()
  )
}
