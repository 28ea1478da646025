import { createHash } from 'node:crypto'
import { registerHooks } from 'node:module'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * What a process runs: a digest of each file that it has loaded as code, by its path. Packages are not looked at, nor
 * what is read and not loaded.
 */
export type Edition = Record<string, string>

/** From here on, what is loaded is noted. Returns all of it so far. */
export function noteEdition(): () => Edition {
  const edition: Edition = {}
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context)
      if (url.startsWith('file:') && !url.includes('/node_modules/') && loaded.source)
        edition[relative('', fileURLToPath(url))] = digest(loaded.source)
      return loaded
    }
  })
  return () => edition
}

/**
 * A file that is not the same in both. One that only one of them has loaded is none: it may not have had need of it yet,
 * and an import that is new is in a file that is not the same.
 */
export function differingFile(one: Edition, other: Edition): string | undefined {
  return Object.keys(one).find(file => other[file] !== undefined && other[file] !== one[file])
}

function digest(source: string | ArrayBuffer | NodeJS.TypedArray): string {
  return createHash('sha256')
    .update(source instanceof ArrayBuffer ? new Uint8Array(source) : source)
    .digest('base64url')
}
