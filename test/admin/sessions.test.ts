import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { createAdminApp } from '../../admin/admin-app.ts'
import { createFailedLogins } from '../../admin/failed-logins.ts'
import { createSessions } from '../../admin/sessions.ts'
import { call } from '../harness.ts'

const digest = Buffer.alloc(32, 1)

t.test('a session ends after its lifetime, and after a time without a request', async t => {
  let now = 0
  const sessions = createSessions({ lifetime: 12_000, idleTime: 1_000, now: () => now })
  const id = sessions.create('Ada', digest)
  for (; now < 12_000; now += 900) t.equal(sessions.use(id, digest), 'Ada', `${now} ms`)
  t.equal(sessions.use(id, digest), undefined, 'lifetime')
  const idle = sessions.create('Ada', digest)
  now += 1_000
  t.equal(sessions.use(idle, digest), undefined, 'idle')
  t.notOk(sessions.remove(idle), 'and is forgotten')
})

t.test('an open stream keeps a session from being idle', async t => {
  let now = 0
  const sessions = createSessions({ idleTime: 1_000, now: () => now })
  const id = sessions.create('Ada', digest)
  const release = sessions.hold(id, () => {})
  now = 5_000
  t.equal(sessions.use(id, digest), 'Ada')
  now = 10_000
  release()
  now = 10_999
  t.equal(sessions.use(id, digest), 'Ada', 'counted from its end')
})

t.test('a session belongs to the token that opened it', async t => {
  const sessions = createSessions()
  const id = sessions.create('Ada', digest)
  t.equal(sessions.use(id, Buffer.alloc(32, 2)), undefined)
  t.equal(sessions.use(id, digest), undefined, 'and ends with it')
})

t.test('a stream ends with its session: by logout and by lifetime', async t => {
  const token = 'a-token-of-some-length'
  for (const lifetime of [undefined, 300]) {
    const sessions = createSessions(lifetime === undefined ? {} : { lifetime })
    const state = { sessions, failures: createFailedLogins() }
    const admin = await createAdminApp({ host: '127.0.0.1', token }, undefined, state)
    t.teardown(() => admin.close())
    const stream = new PassThrough()
    admin.get('/stream', (_request, reply) => reply.send(stream))
    let id = ''
    admin.post('/login', { config: { isOpen: true } }, request => {
      id = admin.logIn(request, token, 'Ada') as string
      return {}
    })
    const url = await admin.listen({ port: 0, host: '127.0.0.1' })
    await call(`${url}/login`, { method: 'POST' })
    stream.write('first')
    const response = await fetch(`${url}/stream`, { headers: { cookie: `sluice-admin=${id}` } })
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    t.equal(Buffer.from((await reader.read()).value ?? '').toString(), 'first')
    const closed = once(stream, 'close')
    if (lifetime === undefined) sessions.remove(id)
    await t.rejects(reader.read())
    await closed
  }
})

t.test('wrong tokens count by network and for a minute', async t => {
  let now = 0
  const failures = createFailedLogins(() => now)
  const add = (address: string, count: number) => {
    for (let i = 0; i < count; i++) failures.add(address, `wrong-${Math.random()}`)
  }
  add('192.0.2.1', 9)
  t.equal(failures.wait('192.0.2.1'), 0)
  now = 20_000
  add('::ffff:192.0.2.1', 1)
  t.equal(failures.wait('192.0.2.1'), 40_000)
  t.equal(failures.wait('192.0.2.2'), 0)
  now = 60_000
  t.equal(failures.wait('192.0.2.1'), 0)
  for (const [address, others, foreign] of [
    ['2001:db8::1', ['2001:db8:0:0:ffff::2', '2001:db8:0::3'], '2001:db8:0:1::1'],
    ['2001:db8:1:2:3:4:5:6', ['2001:db8:1:2::'], '2001:db8:1:3::'],
    ['::1', ['::2', '0:0:0:0:1::'], '1::1']
  ] as const) {
    add(address, 10)
    for (const other of [address, ...others]) t.equal(failures.wait(other), 60_000, other)
    t.equal(failures.wait(foreign), 0, foreign)
  }
  for (let i = 0; i < 5_000; i++) add(`10.1.${i >> 8}.${i & 255}`, 1)
  t.equal(failures.wait('2001:db8::1'), 0, 'the oldest address is forgotten')
})
