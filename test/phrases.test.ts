import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

/**
 * Rejects phrases of hard-phrases.txt in pages, comments, messages and names. Lines that need such a phrase stand in
 * hard-phrases-excepted.txt as `file: line`.
 */

const root = join(import.meta.dirname, '..')
const linesOf = (file: string) => readFileSync(join(root, file), 'utf8').split('\n')
const phrases = linesOf('test/hard-phrases.txt')
  .filter(line => line !== '' && !line.startsWith('#'))
  .map(phrase => new RegExp(phrase, 'i'))
const excepted = new Set(linesOf('test/hard-phrases-excepted.txt').filter(line => line !== ''))

t.test('a phrase is found in comments, messages and pages', async t => {
  t.ok(isHard('  // What it does is said here.'))
  t.ok(isHard(`throw new Error('the upstream's response was ${'cut'} short')`))
  t.notOk(isHard("  headers: { 'content-type': 'application/octet-stream' }"))
  t.notOk(isHard('  // The upstream is unavailable.'))
})

t.test('no file has such a phrase', async t => {
  const unused = new Set(excepted)
  const found: string[] = []
  for (const file of files()) {
    linesOf(file).forEach((line, i) => {
      if (!isHard(line) || unused.delete(`${file}: ${line.trim()}`)) return
      found.push(`${file}:${i + 1}: ${line.trim()}`)
    })
  }
  t.same(found, [])
  t.same([...unused], [], 'each exception is used once')
})

function files(): string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '*.md', '*.ts', '*.tsx', '*.js'], {
    cwd: root,
    encoding: 'utf8'
  })
  return listed.split('\0').filter(file => file !== '' && existsSync(join(root, file)))
}

function isHard(line: string): boolean {
  const text = line.replaceAll('application/octet-stream', '')
  return phrases.some(phrase => phrase.test(text))
}
