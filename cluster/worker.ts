import { trackLoadedFiles } from './loaded-files.ts'

/**
 * Entry of a worker process: one gateway, built from the config as it is when the process starts. It listens on no port;
 * the supervisor sends it connections. It exits once it has drained, on request or when the supervisor is gone.
 *
 * Arguments: config file, path of the Unix socket of its admin API, number of workers, ms for the warm-up, and the `DevMode`
 * as JSON under `sluice dev`.
 */
const [file = '', socket = '', workers, warmUp, dev] = process.argv.slice(2)

const loadedFiles = trackLoadedFiles()
// Import only now, so that the files it loads are recorded.
const { serve } = await import('./serve-worker.ts')
await serve({
  file,
  socket,
  workers: Number(workers),
  warmUp: Number(warmUp),
  dev: dev === undefined ? undefined : JSON.parse(dev),
  loadedFiles
})
