import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { call } from '../harness.ts'
import { startServer } from './rig.ts'

const config = `
import Type from 'typebox'

export const environment = Type.Object({ PORT: Type.Integer(), ADMIN_PORT: Type.Integer(), ADMIN_TOKEN: Type.String() })

export default ({ PORT, ADMIN_PORT, ADMIN_TOKEN }) => ({
  listen: { port: PORT },
  admin: { port: ADMIN_PORT, token: ADMIN_TOKEN },
  log: { level: 'info' }
})
`

t.test('a reload reads the files of variables again', async t => {
  const file = join(t.testdir({ token: 'first-token-of-operators\n' }), 'token')
  const { admin, output } = await startServer(t, { config, workers: 1, env: { ADMIN_TOKEN_FILE: file } })
  const as = (token: string, path = '/cluster', method = 'GET') =>
    call(admin + path, { method, headers: { authorization: `Bearer ${token}` } })
  t.equal((await as('first-token-of-operators')).status, 200)

  writeFileSync(file, 'second-token-of-operators\n')
  t.equal((await as('second-token-of-operators')).status, 401, 'not before the reload')
  t.equal((await as('first-token-of-operators', '/reload', 'POST')).status, 200)
  t.equal((await as('first-token-of-operators')).status, 401)
  t.equal((await as('second-token-of-operators')).status, 200)

  writeFileSync(file, '')
  const failed = await as('second-token-of-operators', '/reload', 'POST')
  t.match(failed, { status: 409, json: { reason: /ADMIN_TOKEN_FILE names an empty file/ } })
  t.equal((await as('second-token-of-operators')).status, 200, 'the old token stays')
  t.notMatch(output() + failed.text, /(first|second)-token/)
})
