/**
 * Node's `http` module without importing it. An import reads all exports, and `WebSocket` among them loads the undici
 * inside Node, which takes 15 MiB (docs/decisions/0024).
 */
export const { METHODS, STATUS_CODES, ServerResponse, createServer, request } =
  process.getBuiltinModule('node:http')
export type ServerResponse = import('node:http').ServerResponse

/** True if the server joins duplicate headers instead of dropping the second, as `serverOptions()` configures. */
export function joinsDuplicateHeaders(server: object): boolean {
  return (server as { joinDuplicateHeaders?: boolean }).joinDuplicateHeaders === true
}

/** Returns the classes of the responses that a server creates, for HTTP/1.x and, if it speaks it, HTTP/2. */
export function responseClassesOf(server: object): { prototype: unknown }[] {
  const [http1] = membersOf(server, 'ServerResponse')
  const [options] = membersOf(server, 'options')
  const http2 = (options as { Http2ServerResponse?: unknown } | undefined)?.Http2ServerResponse
  return [http1, http2].filter(one => typeof one === 'function') as { prototype: unknown }[]
}

/** Node does not export these symbols. */
function membersOf(server: object, description: string): unknown[] {
  return Object.getOwnPropertySymbols(server)
    .filter(symbol => symbol.description === description)
    .map(symbol => (server as Record<symbol, unknown>)[symbol])
}

/** Returns the status line and headers that Node has written, or undefined before that and for HTTP/2. */
export function headerTextOf(response: object): string | undefined {
  const { _header } = response as { _header?: unknown }
  return typeof _header === 'string' ? _header : undefined
}

/** Has writes to a pipe, socket or terminal fail with EAGAIN instead of waiting. Only the stream's handle can set that. */
export function unblockStream(stream: object | undefined): void {
  const handle = (stream as { _handle?: { setBlocking?(isBlocking: boolean): void } } | undefined)?._handle
  handle?.setBlocking?.(false)
}
