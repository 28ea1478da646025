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

/** Returns the class of the server's HTTP/1.x responses. */
export function responseClassOf(server: object): unknown {
  const key = Object.getOwnPropertySymbols(server).find(({ description }) => description === 'ServerResponse')
  return key && (server as Record<symbol, unknown>)[key]
}
