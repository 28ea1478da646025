/** Seeded random choices. `FUZZ_SEED=n` repeats a run, `FUZZ_CASES=n` sets the number of cases. */
export interface Fuzz {
  seed: number
  cases: number
  /** 0 to `below` - 1. */
  int(below: number): number
  chance(share: number): boolean
  pick<T>(from: readonly T[]): T
  bytes(length: number): string
}

export function createFuzz(cases: number): Fuzz {
  const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
  let state = seed | 0
  // mulberry32
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const int = (below: number) => Math.floor(next() * below)
  return {
    seed,
    cases: Number(process.env.FUZZ_CASES ?? cases),
    int,
    chance: share => next() < share,
    pick: from => from[int(from.length)] as (typeof from)[number],
    bytes: length => Array.from({ length }, () => String.fromCharCode(int(256))).join('')
  }
}

/** Changes bytes at random offsets. */
export function mutate(bytes: string, { int, pick, chance, bytes: random }: Fuzz): string {
  let changed = bytes
  for (let i = 0; i < 1 + int(3); i++) {
    const at = int(changed.length + 1)
    const length = int(chance(0.8) ? 4 : 40)
    const put = pick(['', random(1 + int(3)), pick(SPICES), changed.slice(at, at + int(30))])
    changed = changed.slice(0, at) + put + changed.slice(at + length)
  }
  return changed
}

const SPICES = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '%',
  '%2e',
  '..',
  '/',
  '\\',
  '0',
  '-',
  '+',
  '\x0b',
  'chunked',
  'Transfer-Encoding: chunked\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Host: h\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive\r\n',
  'Expect: 100-continue\r\n',
  'Upgrade: x\r\n',
  'HTTP/1.0',
  '0\r\n\r\n',
  '5\r\nabcde\r\n',
  'GET /echo/y HTTP/1.1\r\nHost: g\r\n\r\n',
  'HTTP/1.1 200 OK\r\n',
  '\xff',
  '\u0080'
]

/** Splits bytes into random pieces, as TCP may. */
export function split(bytes: string, { int, chance }: Fuzz): string[] {
  if (chance(0.5)) return [bytes]
  const pieces: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + int(chance(0.5) ? 3 : bytes.length)
    pieces.push(bytes.slice(at, at + length))
    at += length
  }
  return pieces.length > 12 ? [...pieces.slice(0, 11), pieces.slice(11).join('')] : pieces
}
