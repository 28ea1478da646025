import type { ParseArgsConfig } from 'node:util'

/** What is wrong with how a command was called: exit code 2. */
export class UsageError extends Error {}

type Options = NonNullable<ParseArgsConfig['options']>

/** As `parseArgs` gives them. */
export type Values = Record<string, string | boolean | (string | boolean)[] | undefined>

/** Where a command writes, and what it may know of the process. */
export interface Terminal {
  /** Lines, without their ends. */
  print(...lines: string[]): void
  /** A line beside the output. */
  complain(line: string): void
  env: NodeJS.ProcessEnv
  /** Aborted once the command is to end. */
  signal: AbortSignal
}

export interface Command {
  options: Options
  /** What stands after the options, by name; none without it. */
  positionals?: readonly string[]
  help: string
  /** The exit code: 0 fine, 1 faults found or failed; undefined if the process is to go on. */
  run(values: Values, positionals: string[], terminal: Terminal): Promise<number | undefined>
}

/** The same in every command. */
export const configOption = { config: { type: 'string', short: 'c', default: 'fastify.config.ts' } } as const
export const jsonOption = { json: { type: 'boolean', default: false } } as const

/** Columns of one width each, the last as long as it is. */
export function columns(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map(row => (row[i] as string).length)))
  return rows.map(row =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] as number)))
      .join('  ')
      .trimEnd()
  )
}

/** Text of others, of which nothing moves the cursor or turns the line around. */
export function plain(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '\ufffd')
}
