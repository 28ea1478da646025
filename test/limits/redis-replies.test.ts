import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { allowing, isScript, startFakeRedis } from '../fake-redis.ts'
import { call, startGateway } from '../harness.ts'
import { until } from '../until.ts'

/** Replies of a server at `redis.url` that are not decisions. */

const ERRORS = [
  'READONLY You can not write against a read only replica.',
  'LOADING Redis is loading the dataset in memory',
  'MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to no.',
  'NOSCRIPT No matching script.',
  'MOVED 1234 127.0.0.1:1',
  'ASK 1234 127.0.0.1:1',
  'CLUSTERDOWN The cluster is down',
  'TRYAGAIN Multiple keys request during rehashing of slot',
  'CROSSSLOT Keys in request do not hash to the same slot',
  'OOM command not allowed when used memory is over maxmemory.',
  'WRONGTYPE Operation against a key holding the wrong kind of value',
  'NOPERM this user has no permissions to run the evalsha command',
  'NOAUTH Authentication required.',
  'MISCONF Redis is configured to save RDB snapshots',
  'BUSY Redis is busy running a script.',
  'NOREPLICAS Not enough good replicas to write.',
  'EXECABORT Transaction discarded because of previous errors.',
  'ERR max number of clients reached',
  '',
  'lower case'
].map(text => `-${text}\r\n`)

const SHAPES = [
  '$-1\r\n',
  '*-1\r\n',
  '*0\r\n',
  '_\r\n',
  ':1\r\n',
  '+OK\r\n',
  '$0\r\n\r\n',
  '$5\r\n1,5,1\r\n',
  '*1\r\n:1\r\n',
  '*2\r\n:1\r\n:5\r\n',
  '*4\r\n:1\r\n:1\r\n:1000\r\n:1\r\n',
  '*6\r\n:1\r\n:1\r\n:1000\r\n:1\r\n:1\r\n:1000\r\n',
  '*3\r\n:2\r\n:1\r\n:1000\r\n',
  '*3\r\n:-1\r\n:1\r\n:1000\r\n',
  '*3\r\n:1\r\n:-5\r\n:1000\r\n',
  '*3\r\n:1\r\n:5\r\n:-1000\r\n',
  '*3\r\n:1\r\n:5\r\n:0\r\n',
  '*3\r\n:0\r\n:0\r\n:0\r\n',
  '*3\r\n:1\r\n:5\r\n:99999999999999999999\r\n',
  '*3\r\n:1\r\n:99999999\r\n:1000\r\n',
  '*3\r\n:0\r\n:0\r\n:99999999999\r\n',
  '*3\r\n$1\r\n1\r\n$1\r\n5\r\n$4\r\n1000\r\n',
  '*3\r\n$4\r\ntrue\r\n:1\r\n:1000\r\n',
  '*3\r\n$-1\r\n$-1\r\n$-1\r\n',
  '*3\r\n*1\r\n:1\r\n*1\r\n:5\r\n*1\r\n:1000\r\n',
  '*3\r\n:1\r\n:5\r\n$3\r\nNaN\r\n',
  '*3\r\n:1\r\n:5\r\n,nan\r\n',
  '*3\r\n:1\r\n:5\r\n,inf\r\n',
  '*3\r\n:1\r\n,5.5\r\n:1000\r\n',
  '*3\r\n:1\r\n-ERR within\r\n:1000\r\n',
  '#t\r\n',
  '%1\r\n+allowed\r\n:1\r\n',
  `${'*1\r\n'.repeat(200)}:1\r\n`
]

const NONSENSE = [
  'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n',
  '\r\n\r\n',
  ':NaN\r\n',
  ':1.5\r\n',
  '*x\r\n',
  '$x\r\n',
  '*999999999999\r\n',
  '\u0000\u0001\u0002\r\n',
  '>2\r\n+message\r\n+x\r\n'
]

for (const [kind, replies] of Object.entries({ ERRORS, SHAPES, NONSENSE })) {
  t.test(`a reply that is not a decision counts as no reply: ${kind.toLowerCase()}`, async t => {
    const attempt = async (reply: string) => {
      let isWell = false
      const redis = await startFakeRedis(t, words => (isScript(words) && !isWell ? reply : undefined))
      const { url, gateway } = await start(t, redis.url)
      const closed = await call(`${url}/closed`)
      t.equal(closed.status, 503, `closed: ${JSON.stringify(reply)}`)
      t.equal(closed.headers.get('retry-after'), '1')
      const local = [await call(`${url}/local`), await call(`${url}/local`), await call(`${url}/local`)]
      t.strictSame(
        local.map(({ status }) => status),
        [200, 200, 429],
        `local: ${JSON.stringify(reply)}`
      )
      t.match(local[2]?.headers.get('retry-after'), /^[1-9]\d*$/)
      const open = await call(`${url}/open`)
      t.strictSame([open.status, open.headers.get('ratelimit')], [200, null])
      isWell = true
      await until(async () => (await call(`${url}/closed`)).status === 200)
      await gateway.close()
    }
    await Promise.all(replies.map(attempt))
  })
}

t.test('an endless reply is not buffered', async t => {
  const redis = await startFakeRedis(t, words =>
    isScript(words) ? Buffer.concat([Buffer.from('$536870912\r\n'), Buffer.alloc(24_000_000)]) : undefined
  )
  const { url, gateway } = await start(t, redis.url)
  let isClosed = false
  gateway.redis.once('close', () => {
    isClosed = true
  })
  t.equal((await call(`${url}/closed`)).status, 503)
  await until(() => isClosed)
})

t.test('replies that were not requested do no harm', async t => {
  const redis = await startFakeRedis(t, words =>
    isScript(words) ? `${allowing(words)}+OK\r\n:1\r\n` : undefined
  )
  const { url } = await start(t, redis.url)
  for (let i = 0; i < 20; i++) t.match((await call(`${url}/closed`)).status, /^(200|503)$/)
})

t.test('after a failover behind one address the gateway connects to the new master', async t => {
  for (const code of [
    'READONLY You can not write against a read only replica.',
    'MASTERDOWN',
    'LOADING',
    'NOAUTH'
  ]) {
    let isDemoted = false
    const redis = await startFakeRedis(t, (words, connection) =>
      isDemoted && connection === 1 && isScript(words) ? `-${code}\r\n` : undefined
    )
    const { url } = await start(t, redis.url)
    t.equal((await call(`${url}/closed`)).status, 200)
    isDemoted = true
    t.equal((await call(`${url}/closed`)).status, 503)
    await until(async () => (await call(`${url}/closed`)).status === 200)
    t.equal(redis.connections, 2, code)
  }
})

t.test('limits are not counted in another database than the one of redis.url', async t => {
  const redis = await startFakeRedis(t, ([name = '']) =>
    /^select$/i.test(name) ? '-ERR DB index is out of range\r\n' : undefined
  )
  const { url } = await start(t, `${redis.url}/99`)
  t.equal((await call(`${url}/closed`)).status, 503)
  await until(() => redis.connections > 2)
  t.equal((await call(`${url}/closed`)).status, 503)
  t.notOk(redis.commands.some(name => isScript([name])))
})

/** A gateway with a scope for each `onRedisDown`, two requests a minute. */
function start(t: Test, url: string) {
  const routes = async (scope: FastifyInstance) => {
    scope.get('/', async () => 'ok')
  }
  const names = ['open', 'closed', 'local'] as const
  return startGateway(t, {
    redis: { url, timeout: 300 },
    tiers: Object.fromEntries(
      names.map(onRedisDown => [onRedisDown, { onRedisDown, limits: [{ limit: 2, window: 60_000 }] }])
    ),
    scopes: Object.fromEntries(
      names.map(name => [name, { prefix: `/${name}`, routes, rateLimit: { address: name } }])
    )
  })
}
