import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Returns the path of a Go that builds the tests' programs; from 1.21 on, it fetches the version that go.mod names. */
export function findGo(): string | undefined {
  return ['go', '/usr/local/go/bin/go'].find(path => {
    const { stdout } = spawnSync(path, ['version'], { encoding: 'utf8' })
    const [, minor] = /go1\.(\d+)/.exec(stdout ?? '') ?? []
    return Number(minor) >= 21
  })
}

/**
 * Builds a program from `main.go` and `go.mod` of a folder if they have changed.
 * @param flags of `go build`
 */
export function buildGo(folder: string, program: string, flags: string[] = []): void {
  const changed = Math.max(...['main.go', 'go.mod'].map(file => statSync(join(folder, file)).mtimeMs))
  if (existsSync(program) && statSync(program).mtimeMs > changed) return
  const go = findGo()
  if (go === undefined) throw new Error('no Go: install Go 1.21 or later, which builds programs of the tests')
  mkdirSync(join(program, '..'), { recursive: true })
  const args = ['build', ...flags, '-o', program, '.']
  const { status, stderr } = spawnSync(go, args, { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${folder} cannot be built: ${stderr}`)
}
