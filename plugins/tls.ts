import { unwatchFile, watchFile } from 'node:fs'
import type { SecureContextOptions } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { readCertificates } from '../http/certificates.ts'
import { isPem, type TlsOptions } from '../schemas/options/listen.ts'

/**
 * The listener's certificate, renewed while it runs: its files are looked at every `reload` ms, and read again by
 * `fastify.reloadCertificates()`. Connections that are open keep the old one. Files that hold no certificate with its
 * key leave the old ones in place, and say so in the log: half of a renewal is nothing to go by.
 */
async function certificates(fastify: FastifyInstance, tls: TlsOptions) {
  const files = [tls.cert, tls.key].filter(value => !isPem(value))

  fastify.decorate('reloadCertificates', () => {
    try {
      const context = readCertificates(tls)
      ;(
        fastify.server as never as { setSecureContext(options: SecureContextOptions): void }
      ).setSecureContext(context)
      fastify.log.info('certificates read')
      return true
    } catch (error) {
      fastify.log.error({ err: error }, 'certificates cannot be read: the old ones stay')
      return false
    }
  })

  if (tls.reload === 0) return
  // By polling: of a mounted secret only a link changes, and no watcher says so.
  for (const file of files)
    watchFile(file, { interval: tls.reload, persistent: false }, fastify.reloadCertificates)
  fastify.addHook('onClose', async () => {
    for (const file of files) unwatchFile(file, fastify.reloadCertificates)
  })
}

export default fp(certificates, { name: 'sluice-certificates', fastify: '5.x' })

declare module 'fastify' {
  interface FastifyInstance {
    /** Reads the files of `listen.tls` again; false if that failed and the old ones stay. Only there with `tls`. */
    reloadCertificates(): boolean
  }
}
