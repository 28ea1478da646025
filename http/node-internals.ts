/**
 * Node's http without an import of it, which reads all that the module exports: three of those names (`WebSocket` and
 * what it emits) load the undici within node, which a gateway has no other use for and would hold 15 MiB of
 * (docs/decisions/0024).
 */
export const { METHODS, STATUS_CODES, ServerResponse, createServer, request } =
  process.getBuiltinModule('node:http')
export type ServerResponse = import('node:http').ServerResponse
