import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'

/** The proxy's default agent keeps connections alive. */
const { UPSTREAM, PORT = '0' } = process.env
const app = express()
app.use(createProxyMiddleware({ target: UPSTREAM, changeOrigin: true, xfwd: true }))
const server = app.listen(Number(PORT), '127.0.0.1', () => process.send?.({ port: server.address().port }))
