import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { environmentOf } from '../harness.ts'
import { parseBlocks } from './parse-page.ts'

const root = join(import.meta.dirname, '../..')

t.test('the TypeScript of all pages compiles', async t => {
  const folder = t.testdir({})
  let count = 0
  for (const page of ['README.md', ...globSync('docs/**/*.md', { cwd: root })]) {
    for (const [index, files] of editionsOf(await readFile(join(root, page), 'utf8')).entries()) {
      for (const [file, code] of files) {
        count++
        const path = join(folder, page.replace(/\.md$/, ''), `${index}`, file)
        await mkdir(dirname(path), { recursive: true })
        await writeFile(path, code)
      }
    }
  }
  t.ok(count > 15, `${count} files`)
  // The gateway's own modules declare members of Fastify that index.ts alone does not load.
  const config = { extends: join(root, 'tsconfig.json'), include: ['**/*.ts', join(root, 'gateway.ts')] }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(root, 'node_modules/typescript/lib/tsc.js')
  const options = { env: environmentOf(), encoding: 'utf8' } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', folder], options)
  t.equal(stdout + stderr, '')
  t.equal(status, 0)
})

/** Returns the TypeScript files of a page, once more whenever the page shows another version of one of them. */
function editionsOf(page: string): Map<string, string>[] {
  const editions = [new Map<string, string>()]
  for (const { lang, file, code } of parseBlocks(page)) {
    if (lang !== 'ts' || file === undefined) continue
    if (editions.at(-1)?.has(file)) editions.push(new Map(editions.at(-1)))
    editions.at(-1)?.set(file, code)
  }
  return editions
}
