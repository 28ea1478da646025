import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { environmentOf } from '../harness.ts'

const root = join(import.meta.dirname, '../..')

/** Compiles the files of a folder, and `others` of the repository. Returns the errors. */
export function compile(folder: string, ...others: string[]): string {
  const config = {
    extends: join(root, 'tsconfig.json'),

    include: ['*.ts', ...others.map(file => join(root, file))]
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(root, 'node_modules/typescript/lib/tsc.js')
  return spawnSync(process.execPath, [tsc, '-p', folder], { env: environmentOf(), encoding: 'utf8' }).stdout
}
