import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createLogger } from '../../observe/logger.ts'
import { prettyEntries } from '../../observe/pretty-entry.ts'
import { until } from '../until.ts'

const base = { level: 'info', time: 0, pid: 1, hostname: 'h' }
type Entry = { msg: string; [name: string]: unknown }

// pino writes the message last.
const format = (entries: Entry[], isOwn: boolean) =>
  prettyEntries(
    entries.map(({ msg, ...entry }) => `${JSON.stringify({ ...base, ...entry, msg })}\n`).join(''),
    isOwn
  ).replace(/^\S+ /gm, '')
const pretty = (...entries: Entry[]) => format(entries, false)
/** As the supervisor logs, which runs no code of users. */
const prettyOwn = (...entries: Entry[]) => format(entries, true)

t.test('a request is one line', async t => {
  const request = {
    reqId: 'r',
    trace: 't',
    method: 'GET',
    route: '/a/:id',
    scope: 'a',
    durationMs: 1.5,
    msg: 'exchange'
  }
  t.equal(pretty({ ...request, status: 200, path: '/a/1' }), '200 GET /a/1 1.5 ms\n')
  t.equal(
    pretty({
      ...request,
      status: 502,
      upstream: 'a',
      consumer: 'ada',
      cause: 'refused',
      causeDetail: 'port 1'
    }),
    '502 GET /a/:id 1.5 ms, a, ada refused: port 1\n'
  )
  t.equal(
    pretty({ ...request, route: undefined, status: undefined, abortReason: 'CODE', msg: 'exchange aborted' }),
    'aborted GET (no route) 1.5 ms aborted: CODE\n'
  )
})

t.test('other entries have their members and stack', async t => {
  t.equal(
    prettyOwn({ level: 'error', reason: 'one\ntwo', at: 1, duration: 5, msg: 'reload failed' }),
    'error reload failed duration=5\n         one\n         two\n'
  )
  t.equal(
    pretty({ level: 'fatal', err: { stack: 'Error: x\n    at y' }, list: { a: [1] }, msg: 'failed' }),
    'fatal failed list={"a":[1]}\n         Error: x\n             at y\n'
  )
  t.equal(
    prettyOwn({ gateway: 'http://a', msg: 'listening on http://a' }, { msg: 'b' }),
    'info  listening on http://a\ninfo  b\n'
  )
})

t.test('nothing of an entry of a user is lost', async t => {
  const file = join(t.testdir(), 'log')
  const logger = createLogger({ level: 'info', destination: file, format: 'pretty' })
  const request = logger?.child({ reqId: 'r', trace: 'a'.repeat(32), span: 'b'.repeat(16) })
  request?.info({ user: 'ada', tenant: 'a', empty: '', nothing: null }, 'tenant')
  request?.info({ reason: 'one\ntwo', outcome: 'sold', at: 5, gateway: 'g', admin: true }, 'order')
  request?.info(
    { level: 'high', time: 1, pid: 2, hostname: 'h', reqId: 'mine', trace: 't', msg: 'm' },
    'own "}'
  )
  request?.info({ method: 'GET', durationMs: 3 }, 'service called')
  request?.info({ method: 'GET', a: 1 })
  logger?.info({ method: 'GET', durationMs: 3 }, 'exchange')
  logger?.warn({ err: 'text' }, 'string')
  const expected = `info  tenant user=ada tenant=a empty= nothing=null
info  order reason=one\ufffdtwo outcome=sold at=5 gateway=g admin=true
info  own "} level=high time=1 pid=2 hostname=h reqId=mine trace=t msg=m
info  service called method=GET durationMs=3
info   method=GET a=1
info  exchange method=GET durationMs=3
warn  string err=text
`
  await until(() => readFileSync(file, 'utf8').split('\n').length === expected.split('\n').length)
  t.equal(readFileSync(file, 'utf8').replace(/^\S+ /gm, ''), expected)
})

t.test('nothing of an error is lost', async t => {
  const file = join(t.testdir(), 'log')
  const logger = createLogger({ level: 'info', destination: file, format: 'pretty' })
  const cause = new AggregateError([new Error('third')], 'second')
  const error = Object.assign(new TypeError('first', { cause }), { code: 'E_FIRST' })
  t.match(error.stack, 'first')
  error.message = 'first, again'
  logger?.error(error, 'failed')
  await until(() => readFileSync(file, 'utf8').endsWith('\n'))
  t.match(
    readFileSync(file, 'utf8').replace(/^ +at .*\n/gm, ''),
    /^\S+ error failed\n +first, again\n +TypeError: first\n +code=E_FIRST\n +caused by AggregateError: second\n +caused by Error: third\n$/
  )
})

t.test('text of clients cannot change the terminal', async t => {
  const hostile = '\x1b[2J\u202eevil\r\n'
  const line = pretty({
    reqId: 'r',
    method: 'GET',
    durationMs: 1,
    status: 404,
    path: hostile,
    cause: hostile,
    msg: 'exchange'
  })
  t.notMatch(line, /[\x00-\x09\x0b-\x1f\u202e]/)
  t.equal(line.split('\n').length, 2)
  t.notMatch(
    prettyOwn({ reason: hostile, [hostile]: hostile, err: { stack: hostile }, msg: hostile }),
    /[\x00-\x09\x0b-\x1f\u202e]/
  )
})

t.test('a logger writes such lines', async t => {
  const file = join(t.testdir(), 'log')
  const logger = createLogger({ level: 'info', destination: file, format: 'pretty' })
  logger?.warn({ a: 1 }, 'careful')
  logger?.infoLater(
    0,
    () => '"reqId":"r","method":"GET","durationMs":1,"status":200,"path":"/","msg":"exchange"'
  )
  await until(() => readFileSync(file, 'utf8').split('\n').length === 3)
  t.match(
    readFileSync(file, 'utf8'),
    /^\d\d:\d\d:\d\d warn {2}careful a=1\n\d\d:\d\d:\d\d 200 GET \/ 1 ms\n$/
  )
})
