import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { CompactSign, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import { pino } from 'pino'
import { createJwks, type Jwks } from '../auth/jwks.ts'
import type { GatewayDefinition } from '../config/define-gateway.ts'
import { type Answer, call, type Ending, startGateway } from './harness.ts'

/**
 * An issuer whose keys, tokens and responses the test chooses. It is a real server, with discovery at the usual path and
 * keys at `/jwks`.
 */
export interface Issuer {
  issuer: string
  jwksUri: string
  /** Initial keys. */
  keys: SigningKey[]
  /** Number of requests for the keys. */
  readonly fetches: number
  /** Paths of all requests in order. */
  requests: string[]
  /** Returns a valid token, except for these claims, header parameters (undefined: left out) and key. */
  sign(claims?: object, header?: object, key?: SigningKey): Promise<string>
  /** Replaces the published keys. Values other than a SigningKey are published unchanged. */
  publish(...keys: unknown[]): void
  /** Makes requests for the keys fail from now on; without a mode, succeed again. */
  fail(mode?: Failure): void
  /** Delays responses with the current keys until the returned function is called. */
  hold(): () => void
  /** Replaces members of the discovery document. */
  describe(members: object): void
  /** Stops listening until `start`. */
  stop(): Promise<void>
  start(): Promise<void>
}

export type Failure = keyof typeof failures

export interface SigningKey {
  alg: string
  /** The published key. */
  jwk: JWK
  secret: JWK
}

/** Creates a key pair. `members` replaces members of the published key (undefined: left out). */
export async function makeKey(alg = 'ES256', members: object = {}): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: crypto.randomUUID(), alg, use: 'sig', ...members }
  return { alg, jwk, secret: { ...(await exportJWK(privateKey)), alg: undefined } }
}

/** Signs claims and header, given as objects or as raw text. */
export async function signAs(
  { alg, secret }: SigningKey,
  claims: object | string,
  header: object
): Promise<string> {
  const text = typeof claims === 'string' ? claims : JSON.stringify(claims)
  const protectedHeader = { alg, ...header }
  return new CompactSign(Buffer.from(text))
    .setProtectedHeader(protectedHeader)
    .sign(await importJWK(secret, protectedHeader.alg))
}

/** Returns the time `ms` from now in epoch seconds, for `exp` and similar claims. */
export function inMs(ms: number): number {
  return (Date.now() + ms) / 1000
}

export async function startIssuer(t: Ending, keys?: SigningKey[]): Promise<Issuer> {
  const started = keys ?? [await makeKey()]
  let document = ''
  let failure: Failure | undefined
  let held: (() => void)[] | undefined
  let metadata: object = {}
  const requests: string[] = []

  const server = createServer((request, response) => {
    requests.push(request.url as string)
    if (request.url === '/.well-known/openid-configuration')
      return answerJson(response, JSON.stringify({ issuer: url, jwks_uri: `${url}/jwks`, ...metadata }))
    if (request.url === '/jwks' && held) return void held.push(() => answerJson(response, document))
    if (request.url === '/jwks' && failure) return failures[failure](response, document)
    return answerJson(response, document)
  })
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const port = await listen(0)
  const url = `http://127.0.0.1:${port}`

  const issuer: Issuer = {
    issuer: url,
    jwksUri: `${url}/jwks`,
    keys: started,
    requests,
    get fetches() {
      return requests.filter(path => path === '/jwks').length
    },
    sign(claims = {}, header = {}, key = started[0] as SigningKey) {
      const good = { iss: url, aud: 'api://gateway', sub: 'ada', iat: inMs(0), exp: inMs(300_000) }
      return signAs(key, { ...good, ...claims }, { kid: key.jwk.kid, typ: 'at+jwt', ...header })
    },
    publish(...published) {
      document = JSON.stringify({
        keys: published.map(key => (key as SigningKey | null)?.jwk ?? key)
      })
    },
    fail(mode) {
      failure = mode
    },
    hold() {
      held = []
      return () => {
        for (const answer of held ?? []) answer()
        held = undefined
      }
    },
    describe(members) {
      metadata = members
    },
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
    async start() {
      await listen(port)
    }
  }
  issuer.publish(...started)
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return issuer
}

/** Each mode contains the valid keys, so that only checks of the reader reject it. */
const failures = {
  error: response => response.writeHead(500).end('no keys: db.internal:5432 refused'),
  /** Valid keys with status 500. */
  'error with keys': (response, document) => response.writeHead(500).end(document),
  garbage: response => response.end('<html>keys?</html>'),
  'not a set': response => response.end('[]'),
  null: response => response.end('null'),
  /** Valid for readers that ignore the mark. */
  'byte order mark': (response, document) => response.end(`\ufeff${document}`),
  empty: response => response.end(),
  cut: (response, document) => {
    response.setHeader('content-length', document.length)
    response.write(document.slice(0, -10), () => response.destroy())
  },
  hang: () => {},
  /** Never completes. */
  stall: (response, document) => response.write(document),
  '10 MiB': (response, document) => response.end(padded(document)),
  'zipped 10 MiB': (response, document) =>
    response.setHeader('content-encoding', 'gzip').end(gzipSync(padded(document))),
  redirect: response => response.writeHead(302, { location: '/elsewhere' }).end()
} satisfies Record<string, (response: ServerResponse, document: string) => unknown>

function padded(document: string): string {
  return document.padEnd(10 * 1024 * 1024)
}

function answerJson(response: ServerResponse, json: string): void {
  response.setHeader('content-type', 'application/json').end(json)
}

export interface OpenedJwks {
  issuer: Issuer
  jwks: Jwks
  pass(ms: number): void
}

/** Creates the keys of an issuer with a clock that only `pass` advances. */
export async function openJwks(
  t: Ending,
  timing: Partial<Parameters<typeof createJwks>[0]['jwks']> = {}
): Promise<OpenedJwks> {
  const issuer = await startIssuer(t)
  let clock = 0
  const jwks = createJwks(
    {
      issuer: issuer.issuer,
      audience: 'api://gateway',
      clockTolerance: 0,
      cache: 0,
      jwks: { refreshAfter: 300_000, maxStale: 3_600_000, cooldown: 5_000, timeout: 5_000, ...timing }
    },
    pino({ level: 'silent' }),
    { now: () => clock }
  )
  return {
    issuer,
    jwks,
    pass: ms => {
      clock += ms
    }
  }
}

type IssuerInput = NonNullable<GatewayDefinition['issuers']>[string]

export interface Guarded {
  url: string
  /** Returns the response with `request.user`. Without a token it sends no Authorization header. */
  ask(token?: string, scheme?: string): Promise<Answer>
}

/** Starts a gateway with one authenticated route, `/me`, which returns `request.user`. */
export async function startGuarded(
  t: Ending,
  issuer: Partial<IssuerInput> & { issuer: string }
): Promise<Guarded> {
  const { url } = await startGateway(t, {
    issuers: { test: { audience: 'api://gateway', ...issuer } },
    scopes: {
      me: { prefix: '/me', jwt: 'test', routes: async app => void app.get('/', async ({ user }) => user) }
    }
  })
  return {
    url: `${url}/me`,
    ask: (token, scheme = 'Bearer') =>
      call(`${url}/me`, token === undefined ? {} : { headers: { authorization: `${scheme} ${token}` } })
  }
}

/** Polls until `done` accepts the value. Has no timeout of its own; the test has one. */
export async function until<Value>(
  ask: () => Promise<Value>,
  done: (value: Value) => boolean
): Promise<Value> {
  for (;;) {
    const value = await ask()
    if (done(value)) return value
    await delay(10)
  }
}
