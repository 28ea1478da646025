import gateway from 'fast-gateway'

/**
 * By default it keeps connections to the upstream alive and does not log. It strips `prefix`. npm lacks the version of
 * fast-proxy-lite that 5.0.1 requires, so package.json overrides it with the newest one.
 */
const { UPSTREAM, PORT = '0' } = process.env
const server = await gateway({ routes: [{ prefix: '', target: UPSTREAM }] }).start(Number(PORT), '127.0.0.1')
process.send?.({ port: server.address().port })
