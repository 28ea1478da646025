import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../until.ts'
import { createRepository, packageJson, type Repository } from './repository.ts'

/** The release script in real Git repositories. `.ci/run` of those is a line of shell. */

t.test('a release edits every version, packs, commits and signs a tag', async t => {
  const { folder, git, release } = createRepository(t)
  const { status, stdout, stderr } = release('minor')
  t.equal(status, 0, stderr)
  const read = (file: string) => readFileSync(join(folder, file), 'utf8')
  for (const file of ['package.json', 'create/package.json']) t.equal(JSON.parse(read(file)).version, '0.2.0')
  const lock = JSON.parse(read('package-lock.json'))
  t.strictSame([lock.version, lock.packages[''].version], ['0.2.0', '0.2.0'])
  t.equal(JSON.parse(read('create/template/package.json')).dependencies.sluice, '^0.2.0')
  t.match(read('deploy/helm/Chart.yaml'), /\nversion: 0\.2\.0\nappVersion: 0\.2\.0\n/)
  const date = new Date().toISOString().slice(0, 10)
  t.match(read('CHANGELOG.md'), `# Changelog\n\n## 0.2.0 (${date})\n\n- A change.\n`)

  t.strictSame(readdirSync(join(folder, '.release')), [
    'create-sluice-0.2.0.tgz',
    'sbom.json',
    'sluice-0.2.0.tgz'
  ])
  t.equal(JSON.parse(read('.release/sbom.json')).metadata.component.version, '0.2.0')
  t.equal(git('log', '-1', '--format=%s'), 'Release 0.2.0')
  t.equal(git('status', '--porcelain'), '')
  git('tag', '--verify', 'v0.2.0')
  const message = git('tag', '--list', '--format=%(contents:subject)%0a%(contents:body)', 'v0.2.0')
  t.match(
    message,
    /^Sluice 0\.2\.0\n\s*- A change\.\n# not a comment\n\ncreate-sluice-0\.2\.0\.tgz sha512-\S+\nsluice-0\.2\.0\.tgz sha512-/
  )
  const [, push = ''] = /To publish: git (.+)/.exec(stdout) ?? []
  git(...push.split(' '))
  t.match(git('ls-remote', 'origin'), 'refs/tags/v0.2.0')
})

t.test('a dry run shows the release and changes nothing', async t => {
  const { release, state } = createRepository(t)
  const before = state()
  const { status, stdout } = release('patch', '--dry-run')
  t.equal(status, 0)
  t.match(stdout, /^Sluice 0\.1\.1, .*\n\n- A change\.[\s\S]*deploy\/helm\/Chart\.yaml\n {2}CHANGELOG\.md/)
  t.equal(state(), before)
})

const FAULTS: Record<string, [args: string[], prepare: (repository: Repository) => void, message: RegExp]> = {
  'without a version': [[], () => {}, /give one version\nusage: npm run release/],
  'with two versions': [['patch', 'minor'], () => {}, /give one version/],
  'with an unknown option': [['patch', '--force'], () => {}, /--force.*\nusage/],
  'of what is no version': [['v0.2'], () => {}, /"v0\.2" is no version/],
  'of a pre-release': [['0.2.0-rc.1'], () => {}, /is no version/],
  'of a version lower than that in package.json': [
    ['0.0.9'],
    ({ git }) => git('tag', '-d', 'v0.1.0'),
    /lower than 0\.1\.0, the version in package\.json/
  ],
  'of a version lower than a tag': [
    ['0.2.0'],
    ({ git }) => git('tag', 'v0.10.0'),
    /lower than 0\.10\.0, which is released/
  ],
  'of a released version': [['0.1.0'], () => {}, /tag v0\.1\.0 exists: push it, or delete it/],
  'of the next version before that in package.json': [
    ['patch'],
    ({ git }) => git('tag', '-d', 'v0.1.0'),
    /0\.1\.0, which is not released/
  ],
  'with uncommitted changes': [
    ['patch'],
    ({ write }) => write('new.js', ''),
    /uncommitted changes.*\n\?\? new\.js/
  ],
  'from another branch': [
    ['patch'],
    ({ git }) => git('checkout', '-q', '-b', 'fix'),
    /branch "fix": release from main/
  ],
  'without a branch': [
    ['patch'],
    ({ git }) => git('checkout', '-q', '--detach'),
    /branch "": release from main/
  ],
  'of a tag of origin': [
    ['patch'],
    ({ git }) => git('push', '-q', 'origin', 'HEAD:refs/tags/v0.1.1'),
    /tag v0\.1\.1 exists on origin/
  ],
  'without commits of origin': [
    ['patch'],
    ({ git, push }) => {
      push('index.js', '// new')
      git('reset', '-q', '--hard', 'HEAD~')
    },
    /main lacks commits of origin: git pull/
  ],
  'without an origin': [['patch'], ({ git }) => git('remote', 'remove', 'origin'), /git ls-remote failed/],
  'without a section of the changelog': [
    ['patch'],
    ({ push }) => push('CHANGELOG.md', '# Changelog\n\n## 0.1.0 (2026-01-01)\n\n- First.\n'),
    /says nothing under "## Unreleased"/
  ],
  'with an empty section of the changelog': [
    ['patch'],
    ({ push }) => push('CHANGELOG.md', '# Changelog\n\n## Unreleased\n\n## 0.1.0 (2026-01-01)\n\n- First.\n'),
    /says nothing under "## Unreleased"/
  ],
  'with a file that names no version': [
    ['patch'],
    ({ push }) => push('deploy/helm/Chart.yaml', 'name: sluice\n'),
    /Chart\.yaml has no version/
  ],
  'without a key': [
    ['patch'],
    ({ git }) => git('config', 'user.signingKey', '/nowhere'),
    /git commit-tree failed/
  ],
  'that fails its checks': [
    ['patch'],
    ({ push }) => push('.ci/run', '#!/bin/sh\nexit 3\n'),
    /\.ci\/run.*failed \(exit code 3\)/
  ],
  'that packs differently each time': [
    ['patch'],
    ({ push }) =>
      push(
        'package.json',
        packageJson({ name: 'sluice', version: '0.1.0', scripts: { prepack: 'date +%N >index.js' } })
      ),
    /two runs of npm pack differ/
  ]
}

for (const [name, [args, prepare, message]] of Object.entries(FAULTS))
  t.test(`a release ${name} is rejected and changes nothing`, async t => {
    const repository = createRepository(t)
    prepare(repository)
    const before = repository.state()
    const { status, stderr } = repository.release(...args)
    t.equal(status, 1)
    t.match(stderr, message)
    t.notMatch(stderr, /^ +at /m)
    t.equal(repository.state(), before)
  })

t.test('all reasons are listed at once', async t => {
  const { git, write, release } = createRepository(t)
  git('checkout', '-q', '-b', 'fix')
  write('new.js', '')
  t.match(release('patch').stderr, /^release: this is branch "fix".*\nrelease: uncommitted changes/)
})

t.test('an interrupted release changes nothing and can be repeated', async t => {
  const { folder, push, release, start, state } = createRepository(t)
  const mark = join(folder, '../running')
  push('.ci/run', `#!/bin/sh\n[ -e ${mark} ] && exit 0\ntouch ${mark}\nsleep 60\n`)
  const before = state()
  const child = start('patch')
  await until(() => existsSync(mark))
  process.kill(-(child.pid as number), 'SIGINT')
  t.strictSame(await once(child, 'exit'), [1, null])
  t.equal(state(), before)
  t.equal(release('patch').status, 0)
})

t.test('what changes during the checks is not released', async t => {
  const { folder, git, push, release } = createRepository(t)
  push('.ci/run', `#!/bin/sh\necho mine >>${folder}/CHANGELOG.md\n`)
  t.match(release('patch'), { status: 1, stderr: /uncommitted changes.*\n.*CHANGELOG\.md/ })
  t.match(git('diff'), /\+mine/)
  git('checkout', '-q', '.')
  push('.ci/run', `#!/bin/sh\ngit -C ${folder} commit -q --allow-empty -m Unchecked\n`)
  t.match(release('patch'), { status: 1, stderr: /main has changed since the checks began: run/ })
  t.equal(git('tag', '--list'), 'v0.1.0')
})

t.test('a release that was interrupted before its tag keeps its commit', async t => {
  const { git, release } = createRepository(t)
  t.equal(release('0.2.0').status, 0)
  const commit = git('rev-parse', 'HEAD')
  git('tag', '--delete', 'v0.2.0')
  t.match(release('minor').stderr, /0\.2\.0, which is not released: .*npm run release -- 0\.2\.0/)
  t.equal(release('0.2.0').status, 0)
  t.equal(git('rev-parse', 'v0.2.0^{commit}'), commit)
})
