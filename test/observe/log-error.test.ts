import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { buildAdmin } from '../../admin/admin.ts'
import { resolveConfig } from '../../config/resolve-config.ts'
import { buildGateway } from '../../gateway.ts'
import { redisReason } from '../../limits/redis-reason.ts'
import { describeError } from '../../observe/log-error.ts'
import { createLogger, type GatewayLogger } from '../../observe/logger.ts'
import { isScript, startFakeRedis } from '../fake-redis.ts'
import { call, closedPort, startService } from '../harness.ts'
import { until } from '../until.ts'

/** Nothing secret and nothing personal in log entries, responses, metrics and admin responses. */

const PASSWORD = 'pass-word-123'
const CONSUMER = '203.0.113.77'
const SECRET = /pass-word-123|203\.0\.113\.77/

t.test('a command that Redis rejects is logged without password and consumer keys', async t => {
  const quoted = (words: string[]) =>
    `, with args beginning with: ${words.map(word => `'${word}'`).join(' ')}\r\n`
  const log = createLog(t)
  for (const [what, refuse] of [
    ['HELLO and AUTH', (words: string[]) => !isScript(words) && words.join().includes(PASSWORD)],
    ['scripts', isScript]
  ] as const) {
    for (const code of ['ERR unknown command', 'WRONGPASS', 'NOPERM', 'READONLY', 'WRONGTYPE', 'oddly']) {
      const redis = await startFakeRedis(t, words =>
        refuse(words) ? `-${code} ${words.join(' ')}${quoted(words)}` : undefined
      )
      const told = await attempt(
        log,
        redis.url.replace('//', `//default:${PASSWORD}@`),
        /unavailable|not counted/
      )
      t.notMatch(told, SECRET, `${what}: ${code}`)
    }
  }
})

t.test('an unreachable Redis is logged without its password', async t => {
  const { port } = new URL(await closedPort())
  t.notMatch(
    await attempt(createLog(t), `redis://default:${PASSWORD}@127.0.0.1:${port}`, /ECONNREFUSED/),
    SECRET
  )
})

t.test('the log names the reason why limits are not counted in Redis', async t => {
  const { port } = new URL(await closedPort())
  const told = await attempt(createLog(t), `redis://127.0.0.1:${port}`, /limits are not counted/)
  t.match(told, /"reason":"ECONNREFUSED[^}]*"msg":"limits are not counted in Redis"/)
  t.notMatch(told, 'not connected')
})

t.test('a key set that cannot be fetched is logged without the secrets of its URL and its text', async t => {
  const issuer = await startService(t, (_request, response) => response.end(`${PASSWORD} is no JSON`))
  const { logger, read } = createLog(t)
  const config = resolveConfig(
    {
      default: {
        issuers: { shop: { issuer, jwksUri: `${issuer}/keys?api_key=${PASSWORD}`, audience: 'a' } },
        scopes: { a: { prefix: '/a', jwt: 'shop', routes } }
      }
    },
    {}
  )
  const gateway = await buildGateway(config, logger)
  t.teardown(() => gateway.close())
  const url = await gateway.listen({ port: 0, host: '127.0.0.1' })
  const header = Buffer.from('{"alg":"ES256","kid":"a"}').toString('base64url')
  await call(`${url}/a`, { headers: { authorization: `Bearer ${header}.eyJhIjoxfQ.AAAA` } })
  await until(() => /keys cannot be fetched/.test(read()))
  t.notMatch(read(), SECRET)
})

t.test('an error is logged without the data that libraries attach to it', t => {
  const parse = (text: string) => {
    try {
      return JSON.parse(text)
    } catch (error) {
      return error
    }
  }
  const long = `[${PASSWORD}]`.padEnd(60)
  for (const error of [
    Object.assign(new Error('ERR'), { command: { name: 'auth', args: [PASSWORD] } }),
    Object.assign(new Error('x'), { headers: { cookie: PASSWORD }, body: PASSWORD, data: { PASSWORD: 1 } }),
    new TypeError(`Failed to parse URL from http://ada:${PASSWORD}@[`),
    new Error(`connect to redis://:${PASSWORD}@cache:6379 failed`),
    new Error(`GET https://id.example/keys?access_token=${PASSWORD}&a=b answered 500`),
    new Error('outer', { cause: new Error(`amqp://u:${PASSWORD}@h/`) }),
    new AggregateError([new Error(`https://u:${PASSWORD}@h/ refused`)], 'all'),
    parse(`${PASSWORD}`),
    parse(long),
    `redis://:${PASSWORD}@cache`,
    { password: PASSWORD }
  ])
    t.notMatch(JSON.stringify(describeError(error)), /pass-word/, String(error))
  for (const message of [
    'invalid header: Authorization: Bearer pass-word-123',
    'connect: host=h password=pass-word-123 user=a',
    'cannot read eyJhbGciOiJIUzI1NiJ9.pass-word-123.c2ln'
  ])
    t.notMatch(JSON.stringify(describeError(new Error(message))), /pass-word/, message)
  t.match(describeError(new Error('read port=80 of a:b')), { message: 'read port=80 of a:b' })
  t.match(describeError(Object.assign(new Error('connect'), { code: 'ECONNREFUSED', port: 80 })), {
    type: 'Error',
    message: 'connect',
    code: 'ECONNREFUSED',
    port: 80,
    stack: /log-error\.test/
  })
  t.equal(describeError(undefined), undefined)
  t.equal(redisReason(new Error(`-${PASSWORD}`)), 'the connection failed')
  t.end()
})

const routes = async (app: FastifyInstance) => {
  app.get('/', async () => 'ok')
}

interface Log {
  logger: GatewayLogger
  read(): string
}

function createLog(t: Test): Log {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-log-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'log')
  const logger = createLogger({ level: 'debug', destination: file }) as GatewayLogger
  return { logger, read: () => readFileSync(file, 'utf8') }
}

/** Starts a gateway that counts in a Redis and waits until its log matches. Returns everything that it logged. */
async function attempt({ logger, read }: Log, redisUrl: string, expected: RegExp): Promise<string> {
  const config = resolveConfig(
    {
      default: {
        trustProxy: ['127.0.0.1'],
        redis: { url: redisUrl },
        tiers: { free: { onRedisDown: 'closed', limits: [{ limit: 5, window: 60_000 }] } },
        scopes: {
          a: {
            prefix: '/a',
            rateLimit: { address: 'free' },
            routes
          }
        }
      }
    },
    {}
  )
  const gateway = await buildGateway(config, logger)
  const url = await gateway.listen({ port: 0, host: '127.0.0.1' })
  const admin = await buildAdmin(gateway, () => false)
  const told: string[] = []
  for (let i = 0; i < 3; i++) {
    const { text, headers } = await call(`${url}/a`, { headers: { 'x-forwarded-for': CONSUMER } })
    told.push(text, JSON.stringify([...headers]))
  }
  for (const path of ['/metrics', '/limits', '/upstreams']) told.push((await admin.inject(path)).body)
  await until(() => expected.test(read()))
  await admin.close()
  await gateway.close()
  return told.join('\n') + read()
}
