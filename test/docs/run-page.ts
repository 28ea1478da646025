import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { freePorts } from './free-ports.ts'
import { type Block, parseBlocks, portsOf, toPattern } from './parse-page.ts'
import { createShell, DEV_PORTS, type Shell } from './shell.ts'

const root = join(import.meta.dirname, '../..')
/** A command that runs until Ctrl-C, on a line of its own. */
const SERVER =
  /^(?:npm ci && )?((?:\w+=\S+ )*(?:npx sluice start|npm start|npm run demo|npm run dev|node (?!-)[\w./-]+\.ts)\b[^#\n|&;]*)/
/** Ports of the gateway and of its admin API, unless a config names others. */
const DEFAULTS = ['8080', '8081'] as const
const OUTPUT = new Set(['text', 'http', 'json'])
/** Languages of blocks that are only read. */
const SHOWN = new Set(['mermaid', 'diff'])

/**
 * Runs the code of a page as a reader would: writes the files that it names, runs its commands in one shell, and compares
 * their output with the block that follows. Ports are replaced by free ones.
 * @param packages a node_modules folder with the installed package, which is used instead of this repository
 */
export async function runPage(t: Test, page: string, packages?: string): Promise<void> {
  const blocks = await withFreePorts(parseBlocks(await readFile(join(root, page), 'utf8')))
  const folder = packages ? await emptyFolder(t) : t.testdir({})
  const shell = await createShell(t, folder, blocks.ports, packages)
  for (const [index, block] of blocks.entries()) {
    const at = `${page}:${block.line}`
    if (block.lang === 'sh') {
      const next = blocks[index + 1]
      const expected = next !== undefined && OUTPUT.has(next.lang) && !next.file ? next.code : undefined
      await runCommands(t, shell, block.code, at, expected)
    } else if (block.file !== undefined) {
      await mkdir(dirname(join(folder, block.file)), { recursive: true })
      await writeFile(join(folder, block.file), block.code)
    } else if (OUTPUT.has(block.lang) && blocks[index - 1]?.lang !== 'sh') {
      // "The gateway then logs:"
      await shell.prints(toPattern(block.code.trim(), true))
      t.pass(at)
    } else if (!SHOWN.has(block.lang) && blocks[index - 1]?.lang !== 'sh') {
      t.fail(`${at} is neither the output of a command nor names its file in its first line`)
    }
  }
}

/** Returns a folder outside this repository, whose packages must not be found. */
async function emptyFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-page-'))
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

async function runCommands(t: Test, shell: Shell, code: string, at: string, expected: string | undefined) {
  const lines = code.split('\n')
  const servers = lines.flatMap(line => SERVER.exec(line)?.[1] ?? [])
  const commands = lines
    .filter(line => !SERVER.test(line))
    .join('\n')
    .trim()
  for (const command of servers) {
    await shell.start(command.trim(), commands === '' && expected ? toPattern(expected.trim()) : undefined)
    t.pass(`${at} runs ${command}`)
  }
  if (commands === '') return
  const { output, code: exitCode } = await shell.run(commands)
  if (expected === undefined) t.equal(exitCode, 0, `${at} ${output}`)
  else if (toPattern(expected.trim()).test(output.trim())) t.pass(at)
  else t.equal(output.trim(), expected.trim(), at)
}

/** A copy of the blocks with each port replaced by a free one, and the new ports by the old. */
async function withFreePorts(blocks: Block[]): Promise<Block[] & { ports: Map<string, string> }> {
  const dev = blocks.some(({ code }) => code.includes('npm run dev')) ? DEV_PORTS : []
  const named = [...new Set([...DEFAULTS, ...portsOf(blocks), ...dev])]
  const free = await freePorts(named.length)
  const ports = new Map(named.map((port, index) => [port, `${free[index]}`]))
  const pattern = new RegExp(`\\b(${[...ports.keys()].join('|')})\\b`, 'g')
  const replace = (code: string) => code.replace(pattern, port => ports.get(port) ?? port)
  return Object.assign(
    blocks.map(block => ({ ...block, code: replace(withListeners(block.code)) })),
    { ports }
  )
}

/** Writes out the default ports of a config that leaves them out. */
function withListeners(code: string): string {
  const [port, adminPort] = DEFAULTS
  const missing =
    (/^ {2,4}listen: /m.test(code) ? '' : `listen: { port: ${port} }, `) +
    (/^ {2,4}admin: /m.test(code) ? '' : `admin: { port: ${adminPort} }, `)
  return code.replace('defineGateway({', `defineGateway({ ${missing}`)
}
