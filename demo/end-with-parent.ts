// Preloaded into the gateway, which knows nothing of the demo: ends it if the demo is killed hard.
import cluster from 'node:cluster'

// A worker's channel is to the gateway's own process, and none of the demo's business.
if (cluster.isPrimary) process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
