import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type PeerCertificate } from 'node:tls'
import t from 'tap'
import { resolveConfig } from '../../config/resolve-config.ts'
import type { ConfigError } from '../../schemas/options/faults.ts'
import { type Ending, startGateway } from '../harness.ts'
import { fixture, tls } from '../http2.ts'

/** Signed by itself. */
const renewed = { cert: fixture('renewed.pem'), key: fixture('renewed.key') }

/** The certificate that a client is shown, and the protocol that was agreed upon. */
function look(
  url: string,
  options: object = {}
): Promise<{ certificate: PeerCertificate; alpn: string | false | null }> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      { port: Number(new URL(url).port), host: '127.0.0.1', rejectUnauthorized: false, ...options },
      () => {
        resolve({ certificate: socket.getPeerCertificate(), alpn: socket.alpnProtocol })
        socket.destroy()
      }
    )
    socket.on('error', reject)
  })
}

function folder(t: Ending) {
  const path = mkdtempSync(join(tmpdir(), 'sluice-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  const files = { cert: join(path, 'tls.crt'), key: join(path, 'tls.key') }
  return {
    ...files,
    write(cert: string, key: string) {
      writeFileSync(files.key, key)
      writeFileSync(files.cert, cert)
    }
  }
}

t.test('TLS alone speaks HTTP/1.1, with TLS 1.2 or later', async t => {
  const { url } = await startGateway(t, { listen: { tls } })
  t.match(url, /^https:/)
  t.equal((await look(url, { ALPNProtocols: ['h2', 'http/1.1'] })).alpn, 'http/1.1')
  await t.rejects(look(url, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }))
  const strict = await startGateway(t, { listen: { tls: { ...tls, minVersion: 'TLSv1.3' } } })
  await t.rejects(look(strict.url, { maxVersion: 'TLSv1.2' }))
})

t.test('files that change are read again, without a restart', async t => {
  const { cert, key, write } = folder(t)
  write(tls.cert, tls.key)
  const { url } = await startGateway(t, { listen: { http2: true, tls: { cert, key, reload: 50 } } })
  t.equal((await look(url)).certificate.subject.CN, 'localhost')
  write(renewed.cert, renewed.key)
  while ((await look(url)).certificate.subject.CN !== 'renewed');
  t.pass('the new certificate is shown')
})

t.test('files that hold no certificate with its key leave the old ones in place', async t => {
  const { cert, key, write } = folder(t)
  write(tls.cert, tls.key)
  const { url, gateway } = await startGateway(t, { listen: { tls: { cert, key, reload: 0 } } })
  for (const [badCert, badKey] of [
    [renewed.cert, tls.key],
    ['nothing', tls.key],
    ['', '']
  ] as const) {
    write(badCert, badKey)
    t.equal(gateway.reloadCertificates(), false)
    t.equal((await look(url)).certificate.subject.CN, 'localhost')
  }
  write(tls.cert, tls.key)
  t.equal(gateway.reloadCertificates(), true)
})

t.test('a gateway whose certificate cannot be read does not start', async t => {
  await t.rejects(startGateway(t, { listen: { tls: { cert: '/no/such.crt', key: '/no/such.key' } } }), {
    code: 'ENOENT'
  })
})

t.test('faults of the listener options are reported', t => {
  const cases: [object, object][] = [
    [{ http2: true }, { path: '/listen/http2', message: /needs tls/ }],
    [{ tls: { cert: tls.cert } }, { path: '/listen/tls/key', message: 'is missing' }],
    [
      { tls: { cert: tls.cert, key: tls.key.replaceAll('A', 'B') } },
      { path: '/listen/tls', message: /cert and key do not match/ }
    ],
    [
      { tls: { ...tls, minVersion: 'TLSv1' } },
      { path: '/listen/tls/minVersion', message: /TLSv1.2, TLSv1.3/ }
    ],
    [{ tls, http2: { streams: 0 } }, { path: /\/listen\/http2/ }],
    [
      { tls, http3: true },
      { path: '/listen/http3', message: 'is not known' }
    ]
  ]
  for (const [listen, fault] of cases) {
    try {
      resolveConfig({ default: { listen } }, {})
      t.fail('it is taken')
    } catch (error) {
      t.match((error as ConfigError).faults, [fault])
    }
  }
  t.end()
})
