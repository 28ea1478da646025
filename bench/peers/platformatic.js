import { create } from '@platformatic/gateway'

/** The gateway alone in this process, without Platformatic's runtime and threads. */
const { UPSTREAM, PORT = '0' } = process.env
const app = await create(import.meta.dirname, {
  server: {
    hostname: '127.0.0.1',
    port: Number(PORT),
    logger: { level: 'error' },
    disableRequestLogging: true
  },
  gateway: { applications: [{ id: 'upstream', origin: UPSTREAM, proxy: { prefix: '/' } }] },
  watch: false
})
const url = await app.start()
process.send?.({ port: Number(new URL(url).port) })
