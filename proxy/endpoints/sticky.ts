import { createHmac } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import { protocolOf } from '../../http/host.ts'
import type { BalanceOptions } from '../../schemas/options/endpoints.ts'

/**
 * Stickiness by a cookie of the gateway's own. It names an endpoint by a keyed hash, so it tells a client nothing, and a
 * name that is nobody's is worth nothing. A session cookie for the whole host; `Secure` if the client came by https.
 */
export interface Sticky<Member> {
  /** The member that the client's cookie names, if it is one of `candidates`. */
  find(reply: FastifyReply, candidates: readonly Member[]): Member | undefined
  /** Has the answer bind the client to `member`. */
  bind(reply: FastifyReply, member: Member): void
}

export function createSticky<Member extends { readonly url: string }>(
  upstream: string,
  { cookie = `sluice-${upstream}`, key }: NonNullable<BalanceOptions['sticky']>
): Sticky<Member> {
  const names = new WeakMap<Member, string>()
  const start = `${cookie}=`

  return {
    find({ request }, candidates) {
      const name = cookieOf(request.headers.cookie, cookie)
      return name === undefined ? undefined : candidates.find(candidate => nameOf(candidate) === name)
    },
    bind(reply, member) {
      if (reply.sent) return
      // An attempt before this one may have bound it to another.
      const others = [reply.getHeader('set-cookie') ?? []].flat().map(String)
      reply.removeHeader('set-cookie')
      for (const other of others) if (!other.startsWith(start)) reply.header('set-cookie', other)
      const secure = protocolOf(reply.request) === 'https' ? '; Secure' : ''
      reply.header('set-cookie', `${start}${nameOf(member)}; Path=/; HttpOnly; SameSite=Lax${secure}`)
    }
  }

  function nameOf(member: Member): string {
    let name = names.get(member)
    if (name === undefined) {
      name = createHmac('sha256', key).update(`${upstream}\n${member.url}`).digest('base64url').slice(0, 22)
      names.set(member, name)
    }
    return name
  }
}

/** The first cookie of that name (RFC 6265, 5.4: the one with the longest path). */
export function cookieOf(header: string | string[] | undefined, name: string): string | undefined {
  if (typeof header !== 'string') return undefined
  const start = `${name}=`
  for (let at = 0; at < header.length; ) {
    const end = header.indexOf(';', at)
    const part = header.slice(at, end === -1 ? undefined : end).trim()
    if (part.startsWith(start)) return part.slice(start.length)
    if (end === -1) return undefined
    at = end + 1
  }
  return undefined
}
