/** True if the schema of a route has `hide`: @fastify/cors sets it for preflights, and @fastify/swagger leaves such routes out. */
export function isHidden({ schema }: { schema?: unknown }): boolean {
  return (schema as { hide?: boolean } | undefined)?.hide === true
}
