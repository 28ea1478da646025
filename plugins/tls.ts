import { unwatchFile, watchFile } from 'node:fs'
import type { SecureContextOptions } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { type CertificateState, certificateState } from '../http/certificate-state.ts'
import { readCertificates } from '../http/certificates.ts'
import { completeOptions } from '../schemas/options/complete.ts'
import type { Input } from '../schemas/options/defaults.ts'
import { isPem, TlsOptions } from '../schemas/options/listen.ts'

/**
 * Renews the certificate of a TLS listener while it runs: reads the files again when they change, and on
 * `fastify.reloadCertificates()`. Open connections keep the old certificate. If the files do not match, such as after
 * half of a renewal, the old certificate stays and an error is logged.
 *
 * ```ts
 * const tlsOptions = { cert: '/certs/tls.crt', key: '/certs/tls.key' }
 * const app = Fastify(serverOptions({ tls: tlsOptions }))
 * await app.register(tls, tlsOptions)
 * ```
 *
 * @throws at registration if the app's listener has no TLS
 */
async function tls(fastify: FastifyInstance, options: Input<typeof TlsOptions>) {
  const complete = completeOptions(TlsOptions, options, 'tls')
  const { server } = fastify as unknown as {
    server: { setSecureContext?(options: SecureContextOptions): void }
  }
  if (server.setSecureContext === undefined)
    throw new Error('tls: the listener has no TLS; create the app with Fastify(serverOptions({ tls }))')
  const files = [complete.cert, complete.key].filter(value => !isPem(value))

  let inUse = readCertificates(complete).cert as string
  fastify.decorate('certificate', () => certificateState(inUse, 'listener'))
  fastify.decorate('reloadCertificates', () => {
    try {
      const read = readCertificates(complete)
      server.setSecureContext?.(read)
      inUse = read.cert as string
      fastify.log.info('certificates loaded')
      return true
    } catch (error) {
      fastify.log.error({ err: error }, 'certificates cannot be loaded; the old ones stay in use')
      return false
    }
  })

  if (complete.reload === 0) return
  // Polling, since in a mounted Kubernetes secret only a symbolic link changes, which no file watcher reports.
  for (const file of files)
    watchFile(file, { interval: complete.reload, persistent: false }, fastify.reloadCertificates)
  fastify.addHook('onClose', async () => {
    for (const file of files) unwatchFile(file, fastify.reloadCertificates)
  })
}

export default fp(tls, { name: 'sluice-tls', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /** Reads the certificate's files again. Returns false if that failed and the old certificate stays in use. */
    reloadCertificates(): boolean
    /** Describes the listener's certificate in use. */
    certificate?(): CertificateState | undefined
  }
}
