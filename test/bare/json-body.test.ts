import Fastify from 'fastify'
import { jsonBody, problem } from 'sluice'
import t from 'tap'
import { call } from '../harness.ts'
import { listen } from './app.ts'

for (const hasProblem of [false, true])
  t.test(`jsonBody parses strictly in a bare app ${hasProblem ? 'with' : 'without'} problem`, async t => {
    const app = Fastify()
    if (hasProblem) await app.register(problem)
    app.post('/loose', async ({ body }) => body)
    await app.register(async scope => {
      await scope.register(jsonBody)
      scope.post('/strict', async ({ body }) => body ?? 'nothing')
    })
    const url = await listen(t, app)
    const post = (path: string, body: string | undefined, type = 'application/json', coding?: string) =>
      call(url + path, {
        method: 'POST',
        headers: { 'content-type': type, ...(coding !== undefined && { 'content-encoding': coding }) },
        ...(body !== undefined && { body })
      })

    t.same((await post('/strict', '\ufeff{"a":1}', 'application/vnd.shop+json; charset=UTF-8')).json, {
      a: 1
    })
    t.equal((await post('/strict', undefined, 'text/csv')).text, 'nothing')

    const rejected: [body: string, type: string, coding: string | undefined, status: number, code: string][] =
      [
        ['{"a":1}', 'application/json; charset=latin1', undefined, 415, 'UNSUPPORTED_CHARSET'],
        ['{"a":1}', 'application/json', 'gzip', 415, 'BODY_COMPRESSED'],
        ['['.repeat(1_001), 'application/json', undefined, 400, 'BODY_TOO_DEEP']
      ]
    for (const [body, type, coding, status, code] of rejected) {
      const answer = await post('/strict', body, type, coding)
      t.equal(answer.status, status, code)
      const name = code.toLowerCase().replaceAll('_', '-')
      t.match(answer.json, hasProblem ? { type: `urn:sluice:${name}` } : { code: `SLUICE_${code}` })
    }
    t.equal(
      (await post('/strict', '{"a":1}', 'application/json', 'gzip')).headers.get('accept-encoding'),
      'identity'
    )

    const inexact = await post('/strict', '{"a":9007199254740993}')
    t.equal(inexact.status, 400)
    t.match(inexact.json, hasProblem ? { errors: [{ path: '/body/a' }] } : { code: 'FST_ERR_VALIDATION' })
    t.equal((await post('/loose', '{"a":9007199254740993}')).status, 200, 'other scopes keep their parser')
  })

t.test('jsonBody takes no options', async t => {
  await t.rejects(async () => await Fastify().register(jsonBody, { limit: 1 } as never), {
    message: 'jsonBody: /limit is not known'
  })
})
