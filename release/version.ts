/** A reason not to release, for the maintainer. */
export class ReleaseError extends Error {}

const PATTERN = /^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$/

/**
 * Returns the version to release.
 * @param argument `patch`, `minor`, `major` or a version
 * @param current the version in package.json
 * @param tags names of all tags
 * @throws ReleaseError
 */
export function nextVersion(argument: string, current: string, tags: string[]): string {
  const latest = latestOf(tags)
  const part = ['major', 'minor', 'patch'].indexOf(argument)
  if (part === -1) {
    if (!PATTERN.test(argument))
      throw new ReleaseError(`"${argument}" is no version: give patch, minor, major or X.Y.Z`)
    if (latest !== undefined && compare(argument, latest) < 0)
      throw new ReleaseError(`${argument} is lower than ${latest}, which is released`)
    if (compare(argument, current) < 0)
      throw new ReleaseError(`${argument} is lower than ${current}, the version in package.json`)
    return argument
  }
  if (current !== latest)
    throw new ReleaseError(
      `package.json has ${current}, which is not released: release it with npm run release -- ${current}`
    )
  return numbersOf(current)
    .map((number, index) => (index < part ? number : index === part ? number + 1 : 0))
    .join('.')
}

function latestOf(tags: string[]): string | undefined {
  return tags
    .filter(tag => tag.startsWith('v') && PATTERN.test(tag.slice(1)))
    .map(tag => tag.slice(1))
    .sort(compare)
    .at(-1)
}

function compare(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)]
  const index = left.findIndex((number, i) => number !== right[i])
  return index === -1 ? 0 : (left[index] as number) - (right[index] as number)
}

function numbersOf(version: string): number[] {
  return version.split('.').map(Number)
}
