import { constants } from 'node:http2'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { until } from '../../until.ts'
import { dispatch, startPool } from './dispatch.ts'
import { data, headers, RST_STREAM, startFrameService } from './frames.ts'

const CANCELS = Number(process.env.CANCELS ?? 1_000)
const AT_ONCE = 50
const OK = { ':status': '200' }

/** Request bodies in all states in which a call can be cancelled. */
const bodies: Record<string, () => null | Buffer | PassThrough> = {
  'no body': () => null,
  'a small body': () => Buffer.alloc(5),
  'a body beyond the window': () => Buffer.alloc(300_000),
  'an open stream': () => opened(),
  'a stream that has ended': () => opened().end(Buffer.alloc(5)),
  'a stream beyond the window': () => opened().end(Buffer.alloc(300_000)),
  'a stream that fails': () => {
    const body = opened()
    setImmediate(() => body.destroy(new Error('gone')))
    return body
  }
}

function opened(): PassThrough {
  const body = new PassThrough()
  body.write(Buffer.alloc(5))
  return body
}

// CANCELS=10000 for a long run.
for (const [what, bodyOf] of Object.entries(bodies))
  t.test(`${what}: a call cancelled at any time sends one CANCEL and nothing else`, async t => {
    const service = await startFrameService(t, (stream, socket, before) => {
      // Some responses complete, some are partial.
      if (before % 3 === 0)
        socket.write(Buffer.concat([headers(stream, OK), data(stream, 'x', before % 2 === 0)]))
    })
    const pool = startPool(t, service.url)
    const all: ReturnType<typeof dispatch>[] = []
    for (let made = 0; made < CANCELS / Object.keys(bodies).length; made += AT_ONCE) {
      const calls = Array.from({ length: AT_ONCE }, () => dispatch(pool, { method: 'POST', body: bodyOf() }))
      all.push(...calls)
      // In the same and in later turns of the event loop.
      for (const [at, { controller, leave, told, over }] of calls.entries()) {
        if (at % 5 === 0) await turn()
        if (controller !== undefined) controller.abort(new Error('cancelled'))
        else if (told.ends === 0 && leave !== undefined) leave()
        void over
      }
    }
    const queued = all.filter(({ controller, told }) => controller === undefined && told.ends === 0)
    for (const call of all) if (!queued.includes(call)) await call.over
    t.ok(
      all.every(call => call.told.ends === (queued.includes(call) ? 0 : 1)),
      'each is told once'
    )
    const resets = service.frames.filter(({ type }) => type === RST_STREAM)
    t.equal(new Set(resets.map(({ stream }) => stream)).size, resets.length, 'no stream is reset twice')
    t.ok(resets.every(({ payload }) => payload.readUInt32BE() === constants.NGHTTP2_CANCEL))
    t.equal(service.connections.size, service.accepted, 'no connection is lost')
    const last = dispatch(pool, { path: '/last' })
    await turn()
    last.controller?.abort(new Error('cancelled'))
    await pool.close()
    t.pass('no stream is left')
  })

t.test('cancelled uploads leave the connection usable after any number of bytes', async t => {
  const service = await startFrameService(t, (stream, socket, before) => {
    if (before === 100) socket.write(headers(stream, OK, true))
  })
  const pool = startPool(t, service.url, { connections: 1 })
  const body = Buffer.alloc(8 * 1_048_576)
  for (let i = 0; i < 100; i++) {
    const call = dispatch(pool, { method: 'POST', body })
    await until(() => call.controller !== undefined)
    call.controller?.abort(new Error('cancelled'))
  }
  t.equal((await dispatch(pool).over).status, 200)
  t.equal(service.accepted, 1)
})
