import { spawnSync } from 'node:child_process'
import { findRedisServer } from './redis.ts'

/**
 * Runs before the tests: has a Redis there for them, by a server on the PATH, by REDIS_URL, or by the system's package
 * manager if that asks for nothing. Tests that need a Redis are never skipped.
 */
if (!findRedisServer() && !process.env.REDIS_URL && !install()) {
  console.error(
    'The tests need a Redis: install redis-server or valkey-server, or set REDIS_URL to one that runs'
  )
  process.exit(1)
}

function install(): boolean {
  if (process.getuid?.() === 0) {
    run('apt-get', 'update', '-qq')
    run('apt-get', 'install', '-yqq', 'redis-server')
  } else {
    run('brew', 'install', '--quiet', 'redis')
  }
  return findRedisServer() !== undefined
}

function run(command: string, ...args: string[]): boolean {
  // RUNLEVEL: the distribution's own service need not run.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  return spawnSync(command, args, { env, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0
}
