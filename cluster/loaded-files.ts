import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * A digest of each file that a process has loaded as code, and of each OpenAPI document, by its path from the working
 * directory. Without packages.
 */
export type LoadedFiles = Record<string, string>

/** Starts to record loaded files. Returns a function that returns the files so far. */
export function trackLoadedFiles(): () => LoadedFiles {
  const files: LoadedFiles = {}
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context)
      if (url.startsWith('file:') && !url.includes('/node_modules/') && loaded.source)
        files[pathOf(fileURLToPath(url))] = digest(loaded.source)
      return loaded
    }
  })
  return () => files
}

/**
 * Returns the first file that both processes loaded with different contents. Ignores files that only one has loaded: the
 * other may load them later, and a new import shows in the importing file.
 */
export function differingFile(one: LoadedFiles, other: LoadedFiles): string | undefined {
  return Object.keys(one).find(file => other[file] !== undefined && other[file] !== one[file])
}

/** Returns the digest of a file as it is now; undefined if it cannot be read. */
export function digestFile(file: string): string | undefined {
  try {
    return digest(readFileSync(file))
  } catch {
    return undefined
  }
}

/** Returns a file's path as `LoadedFiles` names it. */
export function pathOf(file: string): string {
  return relative('', file)
}

function digest(source: string | ArrayBuffer | NodeJS.TypedArray): string {
  return createHash('sha256')
    .update(source instanceof ArrayBuffer ? new Uint8Array(source) : source)
    .digest('base64url')
}
