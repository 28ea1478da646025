/**
 * A strict parser of HTTP/1.1 messages (RFC 9112), independent of all parsers in the gateway. It throws for malformed
 * messages. Bytes are latin1 text, so that string indexes are byte offsets.
 */
export interface Message {
  startLine: string
  fields: [name: string, value: string][]
  body: string
  trailers: [name: string, value: string][]
  framing: 'none' | 'length' | 'chunked' | 'close'
  /** Offset of the next message. */
  end: number
}

export interface RequestMessage extends Message {
  method: string
  target: string
}

export interface ResponseMessage extends Message {
  status: number
}

export class Malformed extends Error {}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// Field values: visible characters, obs-text, and spaces and tabs within (RFC 9110, 5.5).
const VALUE = /^([\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP\/1\.1$/
const STATUS_LINE = /^HTTP\/1\.1 ([1-5]\d\d) [\t\x20-\x7e\x80-\xff]*$/

/** Returns the request at offset `at`, or undefined if it is incomplete. */
export function readRequest(bytes: string, at: number): RequestMessage | undefined {
  const head = readHead(bytes, at)
  if (head === undefined) return undefined
  const [, method, target] = REQUEST_LINE.exec(head.startLine) ?? malformed('request line', head.startLine)
  if (fieldsOf(head, 'host').length !== 1) malformed('Host', head.startLine)
  const message = readBody(bytes, head, 'none')
  return message && { ...message, method: method as string, target: target as string }
}

/** Returns the response at offset `at`, or undefined if it is incomplete. `isEnded`: the connection has ended. */
export function readResponse(
  bytes: string,
  at: number,
  method: string,
  isEnded: boolean
): ResponseMessage | undefined {
  const head = readHead(bytes, at)
  if (head === undefined) return undefined
  const [, code] = STATUS_LINE.exec(head.startLine) ?? malformed('status line', head.startLine)
  const status = Number(code)
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') {
    if (status < 200 || status === 204)
      for (const name of ['content-length', 'transfer-encoding'])
        if (fieldsOf(head, name).length > 0) malformed(`${name} in a ${status}`)
    return { ...head, body: '', trailers: [], framing: 'none', status }
  }
  const message = readBody(bytes, head, isEnded ? 'close' : 'wait')
  return message && { ...message, status }
}

type Head = Pick<Message, 'startLine' | 'fields' | 'end'>

export function fieldsOf({ fields }: Pick<Message, 'fields'>, name: string): string[] {
  return fields.filter(([own]) => own.toLowerCase() === name).map(([, value]) => value)
}

export function field(message: Pick<Message, 'fields'>, name: string): string | undefined {
  return fieldsOf(message, name)[0]
}

function readHead(bytes: string, at: number): Head | undefined {
  const end = bytes.indexOf('\r\n\r\n', at)
  if (end === -1) return undefined
  const [startLine = '', ...lines] = bytes.slice(at, end).split('\r\n')
  return { startLine, fields: lines.map(readField), end: end + 4 }
}

function readField(line: string): [string, string] {
  const colon = line.indexOf(':')
  const name = line.slice(0, colon)
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')
  if (colon === -1 || !TOKEN.test(name) || !VALUE.test(value)) malformed('field', line)
  return [name, value]
}

/** RFC 9112, 6.3. Rejects ambiguous framing. */
function readBody(bytes: string, head: Head, otherwise: 'none' | 'close' | 'wait'): Message | undefined {
  const codings = fieldsOf(head, 'transfer-encoding')
  const lengths = fieldsOf(head, 'content-length')
  if (codings.length + lengths.length > 1) malformed('two framings', JSON.stringify(head.fields))
  if (codings.length === 1) {
    if ((codings[0] as string).toLowerCase() !== 'chunked') malformed('transfer coding', codings[0])
    return readChunks(bytes, head)
  }
  if (lengths.length === 1) {
    if (!/^\d{1,15}$/.test(lengths[0] as string)) malformed('length', lengths[0])
    const end = head.end + Number(lengths[0])
    if (end > bytes.length) return undefined
    return { ...head, body: bytes.slice(head.end, end), trailers: [], framing: 'length', end }
  }
  if (otherwise === 'none') return { ...head, body: '', trailers: [], framing: 'none' }
  if (otherwise === 'wait') return undefined
  return { ...head, body: bytes.slice(head.end), trailers: [], framing: 'close', end: bytes.length }
}

function readChunks(bytes: string, head: Head): Message | undefined {
  let body = ''
  let at = head.end
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const line = bytes.slice(at, lineEnd)
    if (!/^[0-9A-Fa-f]{1,8}$/.test(line)) malformed('chunk size', line)
    const size = Number.parseInt(line, 16)
    at = lineEnd + 2
    if (size === 0) break
    if (bytes.length < at + size + 2) return undefined
    if (bytes.slice(at + size, at + size + 2) !== '\r\n') malformed('chunk end')
    body += bytes.slice(at, at + size)
    at += size + 2
  }
  const trailers: [string, string][] = []
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const line = bytes.slice(at, lineEnd)
    at = lineEnd + 2
    if (line === '') return { ...head, body, trailers, framing: 'chunked', end: at }
    trailers.push(readField(line))
  }
}

function malformed(what: string, where = ''): never {
  throw new Malformed(`${what}: ${JSON.stringify(where)}`)
}
