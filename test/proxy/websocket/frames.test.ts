import t from 'tap'
import { closeFrame, createFrameReader } from '../../../proxy/websocket/frames.ts'

const LIMIT = 1_000

/** As a client sends it, or a service. */
function frame(isMasked: boolean, first: number, payload: Buffer, size = payload.length): Buffer {
  const bit = isMasked ? 0x80 : 0
  const length = size < 126 ? Buffer.from([bit | size]) : size < 65_536 ? Buffer.alloc(3) : Buffer.alloc(9)
  if (size >= 126 && size < 65_536) {
    length[0] = bit | 126
    length.writeUInt16BE(size, 1)
  } else if (size >= 65_536) {
    length[0] = bit | 127
    length.writeBigUInt64BE(BigInt(size), 1)
  }
  const mask = Buffer.from([1, 2, 3, 4])
  const body = isMasked ? payload.map((byte, i) => byte ^ (mask[i % 4] as number)) : payload
  return Buffer.concat([Buffer.from([first]), length, isMasked ? mask : Buffer.alloc(0), body])
}

const text = (size: number) => Buffer.alloc(size, 'x')

for (const isMasked of [true, false]) {
  const of = (first: number, payload: Buffer, size?: number) => frame(isMasked, first, payload, size)
  const side = isMasked ? 'a client' : 'a service'

  t.test(`valid frames pass unchanged, however they are split into chunks (${side})`, t => {
    const bytes = Buffer.concat([
      of(0x81, text(5)),
      of(0x02, text(130)),
      of(0x89, text(125)),
      of(0x00, text(700)),
      of(0x80, text(0)),
      of(0x82, text(LIMIT)),
      of(0x88, Buffer.from([0x0f, 0xa1, 0x62, 0x79, 0x65]))
    ])
    for (const size of [1, 2, 3, 7, 64, 1_000, bytes.length]) {
      const reader = createFrameReader(isMasked, LIMIT)
      const passed: Buffer[] = []
      for (let at = 0; at < bytes.length; at += size) passed.push(reader.read(bytes.subarray(at, at + size)))
      t.ok(Buffer.concat(passed).equals(bytes), `in chunks of ${size}`)
      t.equal(reader.fault, undefined)
      t.equal(reader.closeCode, 4001)
      t.ok(reader.isBetween)
    }
    t.end()
  })

  t.test(`no byte of an invalid frame passes (${side})`, t => {
    const good = of(0x81, text(5))
    const cases: [string, Buffer, number][] = [
      ['the first reserved bit', of(0xc1, text(5)), 1002],
      ['the second reserved bit', of(0xa1, text(5)), 1002],
      ['the third reserved bit', of(0x91, text(5)), 1002],
      ['a reserved bit in a ping', of(0x99, text(5)), 1002],
      ['a reserved bit in a continuation', of(0x90, text(5)), 1002],
      ['all of them in a close', of(0xf8, text(2)), 1002],
      ['a reserved opcode', of(0x83, text(5)), 1002],
      ['a reserved control opcode', of(0x8b, text(5)), 1002],
      ['a fragmented ping', of(0x09, text(5)), 1002],
      ['a long ping', of(0x89, text(126)), 1002],
      ['a close with half a code', of(0x88, text(1)), 1002],
      ['a continuation of nothing', of(0x80, text(5)), 1002],
      ['a message that is too long', of(0x81, text(LIMIT + 1)), 1009],
      ['a message that is said to be far too long', of(0x81, text(0), 2 ** 52), 1009],
      ['the other side’s masking', frame(!isMasked, 0x81, text(5)), 1002]
    ]
    for (const [name, bad, fault] of cases) {
      const reader = createFrameReader(isMasked, LIMIT)
      t.ok(reader.read(Buffer.concat([good, bad])).equals(good), name)
      t.equal(reader.fault, fault, name)
      t.equal(reader.read(good).length, 0)
    }
    t.end()
  })

  t.test(`a message is measured over its fragments (${side})`, t => {
    const reader = createFrameReader(isMasked, LIMIT)
    const first = of(0x01, text(600))
    t.ok(reader.read(Buffer.concat([first, of(0x80, text(401))])).equals(first))
    t.equal(reader.fault, 1009)
    t.end()
  })

  t.test(`a new message within another is rejected (${side})`, t => {
    const reader = createFrameReader(isMasked, LIMIT)
    reader.read(Buffer.concat([of(0x01, text(6)), of(0x81, text(4))]))
    t.equal(reader.fault, 1002)
    t.end()
  })

  t.test(`nothing passes after a close, or after a stop (${side})`, t => {
    const closed = createFrameReader(isMasked, LIMIT)
    const close = closeFrame(1001, isMasked)
    t.ok(closed.read(Buffer.concat([close, of(0x81, text(1))])).equals(close))
    t.equal(closed.closeCode, 1001)
    const stopped = createFrameReader(isMasked, LIMIT)
    const whole = of(0x81, text(10))
    stopped.read(whole.subarray(0, 8))
    stopped.stop()
    t.notOk(stopped.isBetween)
    t.ok(stopped.read(Buffer.concat([whole.subarray(8), whole])).equals(whole.subarray(8)))
    t.ok(stopped.isBetween)
    t.end()
  })
}
