// Shared by the three demo services: Fastify setup and process handling.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import closeWithGrace from 'close-with-grace'
import Fastify, { type FastifyError, type FastifyInstance } from 'fastify'

export function buildService() {
  const app = Fastify({
    // Reject invalid input instead of converting it: '3' is not 3.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: true } },
    forceCloseConnections: true
  }).withTypeProvider<TypeBoxTypeProvider>()

  app.setErrorHandler<FastifyError>((error, _request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) console.error(error)
    return reply.code(status).send({ error: status < 500 ? error.message : 'internal error' })
  })
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'no such resource' }))
  return app
}

/** Listens until a signal arrives or the parent process ends. */
export async function serve(app: FastifyInstance, name: string, port: number) {
  closeWithParent(() => app.close())
  try {
    await app.listen({ host: process.env.HOST ?? '127.0.0.1', port })
  } catch (error) {
    exitOnListenError(error, name, port)
  }
}

/** Closes on a signal and when the IPC channel to the parent breaks, so that SIGKILL of the parent leaves no process. */
export function closeWithParent(close: () => Promise<unknown>) {
  const grace = closeWithGrace({ delay: 3000 }, async ({ err }) => {
    if (err) console.error(err)
    await close()
  })
  process.once('disconnect', grace.close)
  // False instead of undefined: the parent ended while this process was loading.
  if (process.connected === false) grace.close()
}

export function exitOnListenError(error: unknown, name: string, port: number): never {
  const { code, message } = error as NodeJS.ErrnoException
  console.error(code === 'EADDRINUSE' ? `${name}: port ${port} is in use` : `${name}: ${message}`)
  process.exit(1)
}
