import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

/** An issuer for the measurements: one RSA key over HTTP, and `count` tokens of a tenth as many consumers. */
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
    premium: tiers.includes('premium') ? await tokens('premium') : [],
    exact: tiers.includes('exact') ? await tokens('exact') : [],
    close: () => server.close()
  }

  async function tokens(tier: string): Promise<string[]> {
    const authorization: string[] = []
    for (let i = 0; i < count; i++) {
      const claims = {
        email: `u-${i % (count / 10)}@example.com`,
        roles: ['customer'],
        permissions: ['orders:read', 'orders:write'],
        tier,
        jti: String(i)
      }
      const token = new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'bench', typ: 'at+jwt' })
      authorization.push(
        `Bearer ${await token
          .setIssuer(issuer)
          .setAudience('api://gateway')
          .setSubject(`u-${i % (count / 10)}`)
          .setIssuedAt()
          .setExpirationTime('2h')
          .sign(privateKey)}`
      )
    }
    return authorization
  }
}
