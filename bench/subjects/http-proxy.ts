import type { AddressInfo } from 'node:net'
import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'

/** @fastify/http-proxy with its defaults. */
const app = Fastify()
await app.register(proxy, { upstream: process.env.UPSTREAM as string })
await app.listen({ port: 0, host: '127.0.0.1' })
process.send?.({ port: (app.server.address() as AddressInfo).port })
process.on('SIGTERM', () => process.exit())
