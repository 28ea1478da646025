import { noteEdition } from './loaded-files.ts'

/**
 * A worker: one gateway, built of a config that is read when the process starts, which listens to nobody: connections
 * come from the supervisor. It ends once it has drained, told to or left alone. Arguments: the config's file, the path of
 * the Unix socket for its admin side, how many workers there are, and how many milliseconds it may
 * spend on its warm-up.
 */
const [file, socket, workers, warmUp] = process.argv.slice(2) as [string, string, string, string]

const edition = noteEdition()
// Not before: what it imports is part of the edition.
const { serve } = await import('./serve-worker.ts')
await serve({ file, socket, workers: Number(workers), warmUp: Number(warmUp), edition })
