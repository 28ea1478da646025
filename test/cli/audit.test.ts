import { readFileSync } from 'node:fs'
import t from 'tap'
import { audit } from '../../cli/audit/index.ts'
import { names } from './configs/audited.ts'
import { golden, sluice } from './golden.ts'

const CONFIG = 'test/cli/configs/audited.ts'

for (const name of names)
  t.test(`${name} is found, and not after the fix`, async t => {
    const found = await sluice(['check', '-c', CONFIG], { CASE: name })
    golden(t, `audit/${name}.txt`, found.out)
    t.equal(found.code, found.out.includes('\n0 errors,') ? 0 : 1)
    t.equal((await sluice(['check', '-c', CONFIG, '--strict'], { CASE: name })).code, 1, 'strict')
    const fixed = await sluice(['check', '-c', CONFIG, '--strict'], { CASE: name, FIXED: '1' })
    t.same(fixed, { code: 0, out: '0 errors, 0 warnings\n', err: '' })
  })

t.test('secrets in the file are found and not shown; secrets from the environment are not found', async t => {
  const { out, code } = await sluice(['check', '-c', 'test/cli/configs/with-secrets.ts'])
  golden(t, 'audit/secret-in-config.txt', out)
  t.equal(code, 1)
  for (const secret of ['this-token', 'also-in', 'sixteen', 'never-true', 'eyJ']) t.notMatch(out, secret)
  const env = {
    ADMIN_TOKEN: 'sixteen-characters-or-more',
    REDIS_URL: 'rediss://:secret-enough@redis.example'
  }
  t.notMatch((await sluice(['check'], env)).out, 'secret-in-config')
})

t.test('disabled certificate verification is found', async t => {
  const env = { CASE: 'drain-short', FIXED: '1', NODE_TLS_REJECT_UNAUTHORIZED: '0' }
  const { out, code } = await sluice(['check', '-c', CONFIG], env)
  golden(t, 'audit/tls-unverified.txt', out)
  t.equal(code, 1)
})

t.test('an expiring certificate is found two weeks ahead', async t => {
  const cert = new URL('../fixtures/localhost.pem', import.meta.url).pathname
  const key = new URL('../fixtures/localhost.key', import.meta.url).pathname
  const { resolveConfig } = await import('../../config/resolve-config.ts')
  const { startDryRun } = await import('../../cli/dry-run.ts')
  const { X509Certificate } = await import('node:crypto')
  const config = resolveConfig({ default: { listen: { tls: { cert, key } } } }, {})
  const dryRun = await startDryRun(config)
  t.teardown(() => dryRun.close())
  const expiry = Date.parse(new X509Certificate(readFileSync(cert)).validTo)
  const at = async (now: number) =>
    (await audit({ config, routes: [], dryRun, file: '', source: '', env: {}, now })).map(
      ({ code, severity }) => `${severity} ${code}`
    )
  const day = 86_400_000
  t.same(await at(expiry - 15 * day), [])
  t.same(await at(expiry - 13 * day), ['warning certificate-expiry'])
  t.same(await at(expiry + day), ['error certificate-expiry'])
})
