import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

/** Starts an issuer with one RSA key, and signs `count` tokens per tier for `count / 10` consumers. */
export async function startIssuer(count: number, tiers = ['premium', 'exact']) {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'bench', alg: 'RS256', use: 'sig' }
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    const isDiscovery = request.url?.endsWith('openid-configuration')
    response.end(JSON.stringify(isDiscovery ? { issuer, jwks_uri: `${issuer}/jwks` } : { keys: [jwk] }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    issuer,
    premium: tiers.includes('premium') ? await signTokens('premium') : [],
    exact: tiers.includes('exact') ? await signTokens('exact') : [],
    close: () => server.close()
  }

  async function signTokens(tier: string): Promise<string[]> {
    const headers: string[] = []
    for (let i = 0; i < count; i++) {
      const consumer = `u-${i % (count / 10)}`
      const claims = {
        email: `${consumer}@example.com`,
        roles: ['customer'],
        permissions: ['orders:read', 'orders:write'],
        tier,
        jti: String(i)
      }
      const token = await new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256', kid: 'bench', typ: 'at+jwt' })
        .setIssuer(issuer)
        .setAudience('api://gateway')
        .setSubject(consumer)
        .setIssuedAt()
        .setExpirationTime('2h')
        .sign(privateKey)
      headers.push(`Bearer ${token}`)
    }
    return headers
  }
}
