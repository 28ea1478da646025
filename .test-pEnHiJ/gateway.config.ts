
const port = Number(process.env.PORT)
export default {
  listen: { port, http2: true, tls: { cert: '/work/wt/deploys/test/fixtures/renewed.pem', key: '/work/wt/deploys/test/fixtures/renewed.key' } },
  admin: { port: Number(process.env.ADMIN_PORT) },
  log: { level: 'info', sample: 0 },
  drain: { timeout: 4_000, idle: 500 },
  scopes: {
    api: {
      prefix: '/api',
      routes: async app => {
        app.get('/edition', async () => ({ edition: '2', pid: process.pid }))
        
      }
    }
  }
}
