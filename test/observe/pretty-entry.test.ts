import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createLogger } from '../../observe/logger.ts'
import { prettyEntries } from '../../observe/pretty-entry.ts'
import { until } from '../until.ts'

const base = { level: 'info', time: 0, pid: 1, hostname: 'h' }
const pretty = (...entries: object[]) =>
  prettyEntries(entries.map(entry => `${JSON.stringify({ ...base, ...entry })}\n`).join('')).replace(
    /^\S+ /gm,
    ''
  )

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
    pretty({ ...request, route: undefined, status: undefined, abortReason: 'CODE' }),
    'aborted GET (no route) 1.5 ms aborted: CODE\n'
  )
})

t.test('other entries have their members, reason and stack', async t => {
  t.equal(
    pretty({ level: 'error', reason: 'one\ntwo', duration: 5, msg: 'reload failed' }),
    'error reload failed duration=5\n         one\n         two\n'
  )
  t.equal(
    pretty({ level: 'fatal', err: { stack: 'Error: x\n    at y' }, list: { a: [1] }, msg: 'failed' }),
    'fatal failed list={"a":[1]}\n         Error: x\n             at y\n'
  )
  t.equal(
    pretty({ url: 'http://a', msg: 'listening on http://a' }, { msg: 'b' }),
    'info  listening on http://a\ninfo  b\n'
  )
})

t.test('text of clients cannot change the terminal', async t => {
  const hostile = '\x1b[2J\u202eevil\r\n'
  const line = pretty({ method: 'GET', durationMs: 1, status: 404, path: hostile, cause: hostile })
  t.notMatch(line, /[\x00-\x09\x0b-\x1f\u202e]/)
  t.equal(line.split('\n').length, 2)
  t.notMatch(
    pretty({ reason: hostile, [hostile]: hostile, err: { stack: hostile }, msg: hostile }),
    /[\x00-\x09\x0b-\x1f\u202e]/
  )
})

t.test('a logger writes such lines', async t => {
  const file = join(t.testdir(), 'log')
  const logger = createLogger({ level: 'info', destination: file, format: 'pretty' })
  logger?.warn({ a: 1 }, 'careful')
  logger?.infoLater(0, () => '"method":"GET","durationMs":1,"status":200,"path":"/","msg":"exchange"')
  await until(() => readFileSync(file, 'utf8').split('\n').length === 3)
  t.match(
    readFileSync(file, 'utf8'),
    /^\d\d:\d\d:\d\d warn {2}careful a=1\n\d\d:\d\d:\d\d 200 GET \/ 1 ms\n$/
  )
})
