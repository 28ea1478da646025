/** A fenced code block of a page. */
export interface Block {
  lang: string
  code: string
  /** The line of the page on which the block starts. */
  line: number
  /** The file that the block's first line names in a comment: `// fastify.config.ts`. */
  file?: string | undefined
}

const FENCE = /^( *)```(\S*)[^\n]*\n([\s\S]*?)^\1```$/gm
const FILE_COMMENT = /^(?:\/\/|#) ([\w./-]+\.\w+)\n/

/** Returns the code blocks of a page, in order. */
export function parseBlocks(page: string): Block[] {
  return [...page.matchAll(FENCE)].map(({ index, 1: indent = '', 2: lang = '', 3: text = '' }) => {
    const code = text.replace(new RegExp(`^${indent}`, 'gm'), '')
    const line = page.slice(0, index).split('\n').length
    return { lang, code, line, file: FILE_COMMENT.exec(code)?.[1] }
  })
}

const PORT = /(?:127\.0\.0\.1:|localhost:|\bport: |\blisten\(|\bPORT=)(\d{4,5})\b/g

/** Returns every port that the blocks name. */
export function portsOf(blocks: readonly Block[]): string[] {
  return [...new Set(blocks.flatMap(({ code }) => [...code.matchAll(PORT)].map(([, port = '']) => port)))]
}

/** Output that differs from run to run, and the pattern for it. `…` stands for anything. */
const VARYING: [RegExp, string][] = [
  [/…/, '[\\s\\S]*?'],
  [/ {2,}/, ' +'],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/, '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?Z'],
  [/\d{4}-\d\d-\d\d/, '\\d{4}-\\d\\d-\\d\\d'],
  [/"requestId":"[^"]*"/, '"requestId":"[^"]+"'],
  [/\bpid \d+/, 'pid \\d+'],
  [/\bt=\d+/, 't=\\d+'],
  [/retry-after: \d+/, 'retry-after: \\d+'],
  [/"retryAfter":\d+/, '"retryAfter":\\d+']
]
const ANY_VARYING = new RegExp(VARYING.map(([shown]) => `(${shown.source})`).join('|'), 'g')

/** Returns a pattern for the output that a page shows. `isPart`: of output that may have more. */
export function toPattern(expected: string, isPart = false): RegExp {
  let pattern = ''
  let end = 0
  for (const match of expected.matchAll(ANY_VARYING)) {
    const kind = match.slice(1).findIndex(group => group !== undefined)
    pattern += RegExp.escape(expected.slice(end, match.index)) + VARYING[kind]?.[1]
    end = match.index + match[0].length
  }
  pattern += RegExp.escape(expected.slice(end))
  return new RegExp(isPart ? pattern : `^${pattern}$`)
}
