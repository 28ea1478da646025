import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'

const root = join(import.meta.dirname, '../../dist/dashboard')
const files = globSync('**/*.*', { cwd: root })
const read = (file: string) => readFileSync(join(root, file))

t.test('all files have less than 200 KiB, compressed', async t => {
  t.ok(files.length >= 3, `${files.length} files`)
  const bytes = files.reduce((total, file) => total + gzipSync(read(file)).length, 0)
  t.ok(bytes < 200 * 1_024, `${bytes} bytes`)
})

t.test('the page has no inline script or style, and loads only its own files', async t => {
  const page = read('index.html').toString()
  t.notMatch(page, /<style|\sstyle=|\son\w+=/)
  for (const [, attributes = '', text = ''] of page.matchAll(/<script([^>]*)>([^<]*)/g)) {
    t.match(attributes, /src=/)
    t.equal(text, '')
  }
  const loaded = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url = '']) => url)
  t.ok(loaded.length >= 3)
  for (const url of loaded) t.ok(files.includes(url.replace('./', '')), url)
})

t.test('the script writes text nodes only', async t => {
  const scripts = globSync('admin/dashboard/**/*.tsx', { cwd: join(import.meta.dirname, '../..') })
  for (const file of scripts)
    t.notMatch(
      readFileSync(join(import.meta.dirname, '../..', file), 'utf8'),
      /innerHTML|insertAdjacent|\beval\(/i
    )
})
