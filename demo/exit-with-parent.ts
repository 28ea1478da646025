// Preloaded into the gateway, which does not know the demo: stops it if the demo is killed with SIGKILL.
import cluster from 'node:cluster'

// Ignore workers: their channel leads to the gateway's supervisor.
if (cluster.isPrimary) process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
