import { type SpawnSyncOptions, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { editsOf } from './edits.ts'
import { nextVersion, ReleaseError } from './version.ts'

/**
 * `npm run release -- patch|minor|major|X.Y.Z [--dry-run]`: see CONTRIBUTING.md. Checks and packs a clone, so that a
 * release that fails or is interrupted leaves the working tree as it was, and can be repeated.
 */
const USAGE = 'usage: npm run release -- patch|minor|major|X.Y.Z [--dry-run]'
const PACKAGES = ['.', 'create']
/** Where tarballs and bill of materials are left. */
const OUTPUT = '.release'
const root = process.cwd()

// A signal also ends the command that runs, and with it the release.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})

try {
  release()
} catch (error) {
  if (!(error instanceof ReleaseError)) throw error
  console.error(`release: ${error.message}`)
  process.exitCode = 1
}

function release(): void {
  const { argument, isDryRun } = parse()
  const { version: current } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const version = nextVersion(argument, current, git('tag', '--list').split('\n'))
  const tag = `v${version}`
  rejectFaults(tag)
  const date = new Date().toISOString().slice(0, 10)
  const { files, notes } = editsOf(root, version, date)
  console.log(`Sluice ${version}, ${date}\n\n${notes}\n`)
  if (isDryRun) {
    console.log(
      `Would run .ci/run in a clone, pack ${PACKAGES.length} packages twice, commit these files and tag ${tag}:`
    )
    console.log([...files.keys()].map(file => `  ${file}`).join('\n'))
    return
  }
  // Fails now rather than after the checks if there is no key.
  git('commit-tree', '-S', '-m', 'Test the key', 'HEAD^{tree}')

  const commit = git('rev-parse', 'HEAD')
  const digests = withClone(clone => {
    run('.ci/run', [], clone)
    write(clone, files)
    return packTwice(clone)
  })
  // The checks take minutes, in which a commit or an edit would be released unchecked.
  rejectFaults(tag)
  if (git('rev-parse', 'HEAD') !== commit)
    throw new ReleaseError('main has changed since the checks began: run the release again')
  write(root, files)
  git('add', '--', ...files.keys())
  if (git('status', '--porcelain') !== '') git('commit', '--message', `Release ${version}`)
  const message = `Sluice ${version}\n\n${notes}\n\n${digests.join('\n')}\n`
  // Verbatim: the notes may have lines that begin with #.
  git('tag', '--sign', '--cleanup=verbatim', '--message', message, tag)
  console.log(
    `\n${digests.join('\n')}\n\nPacked into ${OUTPUT}. To publish: git push --atomic origin main ${tag}`
  )
}

function parse(): { argument: string; isDryRun: boolean } {
  try {
    const { values, positionals } = parseArgs({
      options: { 'dry-run': { type: 'boolean', default: false } },
      allowPositionals: true
    })
    const [argument, ...others] = positionals
    if (argument === undefined || others.length > 0) throw new Error('give one version')
    return { argument, isDryRun: values['dry-run'] }
  } catch (error) {
    throw new ReleaseError(`${(error as Error).message}\n${USAGE}`)
  }
}

/** @throws ReleaseError with all reasons why this working tree cannot be released */
function rejectFaults(tag: string): void {
  const faults: string[] = []
  const branch = git('branch', '--show-current')
  if (branch !== 'main') faults.push(`this is branch "${branch}": release from main`)
  const changed = git('status', '--porcelain')
  if (changed !== '') faults.push(`uncommitted changes: commit or remove them\n${changed}`)
  if (git('tag', '--list', tag) !== '')
    faults.push(`tag ${tag} exists: push it, or delete it with git tag -d ${tag}`)
  const published = git('ls-remote', 'origin', 'refs/heads/main', `refs/tags/${tag}`)
  for (const line of published.split('\n').filter(Boolean)) {
    const [commit = '', ref] = line.split('\t')
    if (ref !== 'refs/heads/main') faults.push(`tag ${tag} exists on origin: release a higher version`)
    else if (spawnSync('git', ['merge-base', '--is-ancestor', commit, 'HEAD'], { cwd: root }).status !== 0)
      faults.push('main lacks commits of origin: git pull --ff-only')
  }
  if (faults.length > 0) throw new ReleaseError(faults.join('\nrelease: '))
}

function withClone<T>(use: (clone: string) => T): T {
  const clone = mkdtempSync(join(tmpdir(), 'sluice-release-'))
  try {
    git('clone', '--quiet', root, clone)
    return use(clone)
  } finally {
    rmSync(clone, { recursive: true, force: true })
  }
}

/**
 * Packs each package, and writes the bill of materials. Returns a line with name and digest for each tarball.
 * @throws ReleaseError unless a second run gives the same bytes
 */
function packTwice(clone: string): string[] {
  const [digests, again] = ['first', 'second'].map(name => {
    const folder = join(clone, OUTPUT, name)
    mkdirSync(folder, { recursive: true })
    for (const path of PACKAGES)
      run('npm', ['pack', '--silent', '--pack-destination', folder], join(clone, path))
    return readdirSync(folder).map(file => `${file} ${digestOf(join(folder, file))}`)
  })
  if (digests === undefined || String(digests) !== String(again))
    throw new ReleaseError(`two runs of npm pack differ:\n${digests?.join('\n')}\n${again?.join('\n')}`)
  rmSync(join(root, OUTPUT), { recursive: true, force: true })
  cpSync(join(clone, OUTPUT, 'first'), join(root, OUTPUT), { recursive: true })
  const sbom = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only', '--omit', 'dev']
  writeFileSync(
    join(root, OUTPUT, 'sbom.json'),
    run('npm', sbom, clone, { stdio: ['ignore', 'pipe', 'inherit'] })
  )
  return digests
}

/** Returns the digest as `npm view sluice dist.integrity` shows it. */
function digestOf(file: string): string {
  return `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
}

function write(folder: string, files: Map<string, string>): void {
  for (const [file, text] of files) writeFileSync(join(folder, file), text)
}

function git(...args: string[]): string {
  return run('git', args, root, { stdio: ['inherit', 'pipe', 'inherit'] }).trim()
}

/** @throws ReleaseError if the command fails */
function run(
  command: string,
  args: string[],
  cwd: string,
  options: SpawnSyncOptions = { stdio: 'inherit' }
): string {
  const { status, signal, error, stdout } = spawnSync(command, args, {
    cwd,
    maxBuffer: 100_000_000,
    ...options
  })
  if (status === 0) return String(stdout)
  const reason = error?.message ?? (signal ? `ended by ${signal}` : `exit code ${status}`)
  throw new ReleaseError(`${command} ${args[0] ?? ''} failed (${reason}); nothing was tagged`)
}
