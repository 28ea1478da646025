import { resolve } from 'node:path'
import processOnSpawn from 'process-on-spawn'

/**
 * Lets tests start processes as users do. tap adds a loader to each, which records the files that the process loads and
 * takes a third of the CPU time of a gateway's start. `node-arg` in package.json loads this file after that loader.
 */
processOnSpawn.removeAllListeners()
process.env.NODE_OPTIONS = '--conditions=sluice-source'

/** Also for processes in other folders. */
process.env.NODE_COMPILE_CACHE = resolve('.tap/compiled')
