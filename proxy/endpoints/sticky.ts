import { createHmac } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import { protocolOf } from '../../http/host.ts'
import type { BalanceOptions } from '../../schemas/options/endpoints.ts'

/**
 * Session affinity by a cookie. The cookie contains a keyed hash of the endpoint's URL, so it reveals nothing and cannot be
 * forged. It is a session cookie for the whole host; `Secure` if the client uses https.
 */
export interface Sticky<Member> {
  /** Returns the candidate that the client's cookie names, if any. */
  find(reply: FastifyReply, candidates: readonly Member[]): Member | undefined
  /** Sets the cookie that binds the client to `member`. */
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
      // Replace the cookie of an earlier attempt.
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

/** Returns the first cookie of that name, which is the one with the longest path (RFC 6265, 5.4). */
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
