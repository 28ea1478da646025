import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Ending, environmentOf } from '../harness.ts'

const SCRIPT = join(import.meta.dirname, '../../release/release.ts')

export interface Output {
  status: number | null
  stdout: string
  stderr: string
}

/** A project with the files that a release edits, in a Git repository with an origin and a signing key. */
export interface Repository {
  folder: string
  git(...args: string[]): string
  write(file: string, text: string): void
  /** Writes a file, commits all and pushes. */
  push(file: string, text: string): void
  /** Runs the release. */
  release(...args: string[]): Output
  /** Starts it in a process group of its own, as a terminal does. */
  start(...args: string[]): ChildProcess
  /** Commit, tags, changed and new files, and clones that are left. */
  state(): string
}

const CHANGELOG =
  '# Changelog\n\n## Unreleased\n\n- A change.\n# not a comment\n\n## 0.1.0 (2026-01-01)\n\n- First.\n'

const FILES = {
  'package.json': packageJson({ name: 'sluice', version: '0.1.0', files: ['index.js'] }),
  'package-lock.json': packageJson({
    name: 'sluice',
    version: '0.1.0',
    lockfileVersion: 3,
    requires: true,
    packages: { '': { name: 'sluice', version: '0.1.0' } }
  }),
  'index.js': '',
  'create/package.json': packageJson({ name: 'create-sluice', version: '0.1.0' }),
  'create/template/package.json': packageJson({ dependencies: { sluice: '^0.1.0' } }),
  'deploy/helm/Chart.yaml': 'apiVersion: v2\nname: sluice\nversion: 0.1.0\nappVersion: 0.1.0\n',
  'CHANGELOG.md': CHANGELOG,
  '.gitignore': '.release/\n'
}

export function packageJson(content: object): string {
  return `${JSON.stringify(content, null, 2)}\n`
}

export function createRepository(t: Ending): Repository {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-test-release-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
  const folder = join(directory, 'work')
  // Its clones are made here, and so are seen if they are left.
  const temporary = join(directory, 'tmp')
  mkdirSync(temporary)
  const env = environmentOf({ HOME: directory, TMPDIR: temporary, GIT_CONFIG_NOSYSTEM: '1' })
  const execute = (cwd: string, command: string, ...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
    return stdout.trim()
  }
  const git = (...args: string[]) => execute(folder, 'git', ...args)
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text, { mode: file === '.ci/run' ? 0o755 : 0o644 })
  }
  const commit = () => {
    git('add', '--all')
    git('commit', '--quiet', '--message', 'Change')
    git('push', '--quiet', 'origin', 'main')
  }

  execute(directory, 'git', 'init', '--quiet', '--bare', '--initial-branch=main', 'origin.git')
  execute(directory, 'git', 'clone', '--quiet', join(directory, 'origin.git'), folder)
  execute(directory, 'ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', 'key')
  const key = join(directory, 'key.pub')
  writeFileSync(join(directory, 'signers'), `* ${execute(directory, 'cat', key)}`)
  for (const [name, value] of Object.entries({
    'user.name': 'Ann',
    'user.email': 'ann@example.com',
    'gpg.format': 'ssh',
    'user.signingKey': key,
    'gpg.ssh.allowedSignersFile': join(directory, 'signers')
  }))
    git('config', name, value)
  git('checkout', '--quiet', '-B', 'main')
  for (const [file, text] of Object.entries(FILES)) write(file, text)
  write('.ci/run', '#!/bin/sh\nexit 0\n')
  commit()
  git('tag', 'v0.1.0')

  return {
    folder,
    git,
    write,
    push(file, text) {
      write(file, text)
      commit()
    },
    release: (...args) =>
      spawnSync(process.execPath, [SCRIPT, ...args], { cwd: folder, env, encoding: 'utf8' }),
    start: (...args) =>
      spawn(process.execPath, [SCRIPT, ...args], { cwd: folder, env, detached: true, stdio: 'ignore' }),
    state: () =>
      [
        git('rev-parse', 'HEAD'),
        git('tag', '--list'),
        git('status', '--porcelain'),
        existsSync(join(folder, '.release')),
        execute(temporary, 'find', '.', '-maxdepth', '1', '-name', 'sluice-release-*')
      ].join('\n')
  }
}
