import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Collects the garbage of the start, 20 MiB in a supervisor. V8 would keep it, since a supervisor allocates little later.
 * The flag has an effect on new contexts only. `last-resort` shrinks the young generation too.
 */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')({ type: 'major', flavor: 'last-resort' })
  setFlagsFromString('--no-expose-gc')
}
