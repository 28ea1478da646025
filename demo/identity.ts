// The identity provider of the demo and the tests: an OpenID provider that issues JWT access tokens (RFC 9068) for the
// gateway, and rotates its keys on request.
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { InvalidTarget } from 'oidc-provider/lib/helpers/errors.js'
// Not from 'oidc-provider': its main module warns on every Node version that is not LTS.
import { Provider } from 'oidc-provider/lib/provider.js'
import { closeWithParent, exitOnListenError } from './service.ts'

export interface IdentityClient {
  id: string
  secret: string
  /** Scopes that it may request, separated by spaces; also its `permissions`. */
  scope: string
  email?: string
  roles?: string[]
  tier?: string
}

export interface IdentityOptions {
  port?: number
  host?: string
  /** Default: the address at which it listens. */
  issuer?: string | undefined
  /** The `aud` of tokens; other resources are rejected. Default: `api://gateway`. */
  audience?: string
  clients?: readonly IdentityClient[]
  alg?: 'RS256' | 'PS256' | 'ES256' | 'EdDSA'
  /** Lifetime of a token in seconds. Default: 3600. */
  ttl?: number
}

// Secrets in source code are acceptable in a demo only.
export const demoClients: readonly IdentityClient[] = [
  { id: 'ada', tier: 'free', roles: [] },
  { id: 'grace', tier: 'standard', roles: [] },
  { id: 'alan', tier: 'premium', roles: ['admin'] }
].map(client => ({
  ...client,
  secret: `${client.id}-secret`,
  email: `${client.id}@example.com`,
  scope: 'orders:read orders:write'
}))

export async function startIdentityProvider(options: IdentityOptions = {}) {
  const { port = 0, host = '127.0.0.1', audience = 'api://gateway', clients = demoClients } = options
  const { alg = 'RS256', ttl = 3600 } = options
  const cookieKeys = [randomBytes(32).toString('base64url')]
  // Newest first: oidc-provider signs with the first suitable key.
  let keys: [Key, ...Key[]] = [await generateKey(alg)]

  // oidc-provider cannot change its keys, so a change creates a new provider behind the same server.
  let handle: (request: IncomingMessage, response: ServerResponse) => unknown
  const server = createServer((request, response) => {
    if (request.method === 'POST' && request.url === '/rotate') return change(rotate, response)
    if (request.method === 'POST' && request.url === '/retire') return change(retire, response)
    return handle(request, response)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve)
  })
  const url = `http://${host}:${(server.address() as AddressInfo).port}`
  const { issuer = url } = options
  useKeys(keys)

  function useKeys(next: typeof keys) {
    keys = next
    const jwks = { keys: keys.map(({ jwk }) => jwk) }
    handle = new Provider(issuer, configure({ audience, clients, alg, ttl, jwks, cookieKeys })).callback()
  }

  /** Signs with a new key from now on. Earlier keys stay published. */
  async function rotate() {
    useKeys([await generateKey(alg), ...keys])
  }

  /** Stops publishing all keys but the newest. */
  async function retire() {
    useKeys([keys[0]])
  }

  /**
   * Requests a token from the token endpoint. `overrides` replaces claims (undefined removes one) and signs the token again
   * with the current key, for tokens that no provider would issue.
   */
  async function token(clientId: string, overrides?: Record<string, unknown>) {
    const client = clients.find(({ id }) => id === clientId)
    if (!client) throw new Error(`unknown client: ${clientId}`)
    const issued = await requestToken(url, client, audience)
    if (!overrides) return issued
    const { privateKey, jwk } = keys[0]
    return new SignJWT({ ...decodeJwt(issued), ...overrides })
      .setProtectedHeader({ alg, kid: jwk.kid, typ: 'at+jwt' })
      .sign(privateKey)
  }

  async function close() {
    await new Promise(resolve => {
      server.close(resolve)
      server.closeAllConnections()
    })
  }

  return { issuer, url, rotate, retire, token, close }
}

type Key = Awaited<ReturnType<typeof generateKey>>

async function generateKey(alg: string) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(privateKey)
  return { privateKey, jwk: { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) } }
}

async function change(changeKeys: () => Promise<void>, response: ServerResponse) {
  await changeKeys()
  response.writeHead(204).end()
}

type Configured = Required<Pick<IdentityOptions, 'audience' | 'clients' | 'alg' | 'ttl'>> & {
  jwks: { keys: object[] }
  cookieKeys: string[]
}

function configure({ audience, clients, alg, ttl, jwks, cookieKeys }: Configured) {
  const scopes = [...new Set(clients.flatMap(({ scope }) => scope.split(' ')))]
  return {
    jwks,
    scopes,
    cookies: { keys: cookieKeys },
    adapter: NoStorage,
    clients: clients.map(({ id, secret, scope }) => ({
      client_id: id,
      client_secret: secret,
      scope,
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: []
    })),
    clientDefaults: { id_token_signed_response_alg: alg },
    ttl: { ClientCredentials: ttl },
    renderError(context: { body: unknown }, error: object) {
      context.body = error
    },
    extraTokenClaims(_context: unknown, { clientId }: { clientId: string }) {
      const client = clients.find(({ id }) => id === clientId)
      if (!client) return undefined
      const { email, roles, tier, scope } = client
      return { email, roles, tier, permissions: scope.split(' ') }
    },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo(_context: unknown, resource: string) {
          if (resource !== audience) throw new InvalidTarget()
          const format = { accessTokenFormat: 'jwt', jwt: { sign: { alg } } }
          return { audience, scope: scopes.join(' '), accessTokenTTL: ttl, ...format }
        }
      }
    }
  }
}

// The client credentials grant and JWTs need no storage.
class NoStorage {
  async find() {}
  async findByUid() {}
  async findByUserCode() {}
  async upsert() {}
  async consume() {}
  async destroy() {}
  async revokeByGrantId() {}
}

/** Requests an access token from the provider's token endpoint. */
export async function requestToken(issuer: string, { id, secret, scope }: IdentityClient, resource: string) {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource })
  })
  if (!response.ok)
    throw new Error(`the token request of ${id} failed: ${response.status} ${await response.text()}`)
  return ((await response.json()) as { access_token: string }).access_token
}

if (import.meta.main) {
  const { HOST: host, PORT = 4000, JWT_AUDIENCE: audience, JWT_ISSUER: issuer } = process.env
  const port = Number(PORT)
  try {
    const identity = await startIdentityProvider({ port, host, audience, issuer })
    closeWithParent(identity.close)
  } catch (error) {
    exitOnListenError(error, 'identity', port)
  }
}
