import gateway from 'fast-gateway'

/**
 * Keep-alive to the upstream and no log are its defaults; `prefix` is what it strips. The fast-proxy-lite that 5.0.1 asks
 * for could not be had from npm: package.json takes the newest that could.
 */
const { UPSTREAM, PORT = '0' } = process.env
const server = await gateway({ routes: [{ prefix: '', target: UPSTREAM }] }).start(Number(PORT), '127.0.0.1')
process.send?.({ port: server.address().port })
