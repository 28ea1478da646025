import crypto from 'node:crypto'
import t from 'tap'

// Before fast-jwt is loaded, because it reads the functions of node:crypto once.
const keysRead = t.capture(crypto, 'createPublicKey', crypto.createPublicKey)
const { makeKey, startGuarded, startIssuer } = await import('../issuer.ts')

t.test('the verifier of a key is created once, not for every token', async t => {
  const keys = await Promise.all([makeKey('RS256'), makeKey('ES256')])
  const issuer = await startIssuer(t, keys)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, cache: 0 })
  keysRead()
  for (const key of keys)
    for (let jti = 0; jti < 20; jti++) t.equal((await ask(await issuer.sign({ jti }, {}, key))).status, 200)
  t.equal(keysRead().length, 2)
})
