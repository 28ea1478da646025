
const port = Number(process.env.PORT)
export default {
  listen: { port },
  admin: { port: Number(process.env.ADMIN_PORT) },
  log: { level: 'info', sample: 0 },
  drain: { timeout: 3_000, idle: 200 },
  scopes: {
    api: {
      prefix: '/api',
      routes: async app => {
        app.get('/edition', async () => ({ edition: '2', pid: process.pid }))
        
      }
    }
  }
}
