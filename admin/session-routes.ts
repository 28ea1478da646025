import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import { MAX_ADMIN_TOKEN } from '../schemas/options/admin.ts'
import { TokenNeeded, TokenWrong } from './admin-guard.ts'
import { readSessionCookie, sessionCookie } from './session-cookie.ts'
import type { Sessions } from './sessions.ts'

const Login = Type.Object(
  {
    token: Type.String({ minLength: 1, maxLength: MAX_ADMIN_TOKEN }),
    /** Who logs in: named in the log. */
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 64, pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]+$' }))
  },
  { additionalProperties: false }
)

/** Serves `/session`: browsers log in with the admin token, and get a cookie that scripts cannot read. */
export async function sessionRoutes(admin: FastifyInstance, { sessions }: { sessions: Sessions }) {
  const isOpen = true

  admin.get('/session', { config: { isOpen } }, request => ({
    authenticated: request.operator !== undefined,
    name: request.operator?.name ?? null,
    tokenNeeded: admin.isTokenNeeded
  }))

  admin.post(
    '/session',
    {
      config: { isOpen },
      schema: { body: Login },
      bodyLimit: 2 * MAX_ADMIN_TOKEN
    },
    (request, reply) => {
      const { token, name = 'session' } = request.body as Static<typeof Login>
      const id = admin.logIn(request, token, name)
      if (id === undefined) throw admin.isTokenNeeded ? new TokenWrong() : new TokenNeeded()
      request.log.info({ operator: { name, address: request.socket.remoteAddress } }, 'logged in')
      return reply
        .code(201)
        .header('set-cookie', sessionCookie(request, id))
        .send({ authenticated: true, name })
    }
  )

  admin.delete('/session', { config: { isOpen } }, (request, reply) => {
    const id = readSessionCookie(request)
    if (id !== undefined) sessions.remove(id)
    return reply.code(204).header('set-cookie', sessionCookie(request, undefined)).send()
  })
}
