import { isNotConnected } from './ioredis-internals.ts'

/**
 * Returns why Redis is unavailable, for logs and the admin API. Without the text of a reply: Redis repeats the arguments of
 * unknown commands, such as passwords and the keys of consumers.
 */
export function redisReason(error: Error): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (typeof code === 'string')
    return error instanceof AggregateError ? code : `${code}: ${firstLine(message)}`
  const [reply = ''] = REPLY.exec(message) ?? []
  if (reply !== '') return HINTS[reply] === undefined ? reply : `${reply}: ${HINTS[reply]}`
  if (isNotConnected(error)) return 'not connected'
  return SAFE.test(message) ? firstLine(message) : 'the connection failed'
}

/** True if Redis answered with one of these error codes. */
export function hasCode({ message }: Error, codes: readonly string[]): boolean {
  const [reply = ''] = REPLY.exec(message) ?? []
  return codes.includes(reply)
}

/** The code of an error reply. */
const REPLY = /^[A-Z][A-Z_]{2,31}(?= |$)/

/** Messages of ioredis and of the limiters, which do not repeat arguments. */
const SAFE =
  /^(Connection is closed|Socket timeout|connect E|Reached the max retries|Command aborted|no response|an unexpected reply)/

const HINTS: Record<string, string> = {
  CLUSTERDOWN: 'the cluster is down',
  ERR: 'the command was rejected',
  LOADING: 'the data set is being loaded',
  MASTERDOWN: 'a replica has lost its master',
  MISCONF: 'Redis cannot save to disk and refuses writes',
  MOVED: 'redis.url is one node of a cluster; name a proxy or a single node',
  NOAUTH: 'redis.url needs a password',
  NOPERM: 'the user of redis.url lacks permissions: EVAL, EVALSHA, INFO, and the keys sluice:*',
  OOM: 'Redis is out of memory and refuses writes',
  READONLY: 'this node is a replica',
  WRONGPASS: 'the user or password of redis.url is wrong',
  WRONGTYPE: 'a key of a limit holds something else'
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]?.slice(0, 200) as string
}
