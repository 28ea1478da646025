import type { FastifyInstance } from 'fastify'

export interface Ending {
  teardown(end: () => unknown): void
}

/** Listens on a free port and returns the URL. The app closes with the test. */
export async function listen(t: Ending, app: FastifyInstance): Promise<string> {
  t.teardown(() => app.close())
  return app.listen({ port: 0, host: '127.0.0.1' })
}
