import { randomUUID } from 'node:crypto'

/**
 * Returns a `genReqId` for Fastify: the client's `X-Request-Id` if it is well-formed, else an id that is unique over all
 * processes (a random prefix and a counter).
 */
export function createRequestIds(): (request: { headers: NodeJS.Dict<string | string[]> }) => string {
  const prefix = `${randomUUID().slice(0, 18)}-`
  let count = 0
  return ({ headers }) => {
    const id = headers['x-request-id']
    return typeof id === 'string' && /^[\w.:-]{1,128}$/.test(id)
      ? id
      : prefix + (count++).toString(36).padStart(8, '0')
  }
}
