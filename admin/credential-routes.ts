import type { FastifyInstance } from 'fastify'
import { credentialsOf } from '../observe/credentials.ts'

/** Serves `/credentials`: certificates of the listener and of upstreams, and the issuers with their keys. */
export async function credentialRoutes(admin: FastifyInstance, { gateway }: { gateway: FastifyInstance }) {
  admin.get('/credentials', { config: { isPrivate: true } }, () => credentialsOf(gateway))
}
