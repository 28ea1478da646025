import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ReleaseError } from './version.ts'

/** Every place that names the version. The parts before it and after it stay. */
const PLACES: [file: string, place: RegExp][] = [
  ['package.json', /^( {2}"version": ")[^"]+(")/m],
  ['package-lock.json', /^( {2}"version": ")[^"]+(")/m],
  // The package itself is the first of the lock's packages.
  ['package-lock.json', /^( {6}"version": ")[^"]+(")/m],
  ['create/package.json', /^( {2}"version": ")[^"]+(")/m],
  ['create/template/package.json', /^( {4}"sluice": "\^)[^"]+(")/m],
  ['deploy/helm/Chart.yaml', /^(version: ).+()$/m],
  ['deploy/helm/Chart.yaml', /^(appVersion: ).+()$/m]
]
const UNRELEASED = '## Unreleased'

export interface Edits {
  /** New texts by file. */
  files: Map<string, string>
  /** The section of the version in the changelog. */
  notes: string
}

/**
 * Returns what the release changes in the files of `root`. After an interrupted release, it changes nothing.
 * @throws ReleaseError
 */
export function editsOf(root: string, version: string, date: string): Edits {
  const files = new Map<string, string>()
  const read = (file: string) => files.get(file) ?? readFileSync(join(root, file), 'utf8')
  for (const [file, place] of PLACES) {
    const text = read(file)
    if (!place.test(text)) throw new ReleaseError(`${file} has no version at ${place}`)
    files.set(file, text.replace(place, `$1${version}$2`))
  }
  const { text, notes } = releaseChangelog(read('CHANGELOG.md'), version, date)
  files.set('CHANGELOG.md', text)
  return { files, notes }
}

/** Gives the section "Unreleased" its version and date. */
function releaseChangelog(text: string, version: string, date: string): { text: string; notes: string } {
  const lines = text.split('\n')
  const released = lines.findIndex(line => line.startsWith(`## ${version} (`))
  const start = released === -1 ? lines.indexOf(UNRELEASED) : released
  const end = lines.findIndex((line, index) => index > start && line.startsWith('## '))
  const notes = lines
    .slice(start + 1, end === -1 ? undefined : end)
    .join('\n')
    .trim()
  if (start === -1 || notes === '')
    throw new ReleaseError(`CHANGELOG.md says nothing under "${UNRELEASED}": list what users notice`)
  if (released === -1) lines[start] = `## ${version} (${date})`
  return { text: lines.join('\n'), notes }
}
