
const port = Number(process.env.PORT)
export default {
  listen: { port },
  admin: { port: Number(process.env.ADMIN_PORT) },
  log: { level: 'info', sample: 0 },
  drain: { timeout: 1_500, idle: 500 },
  scopes: {
    api: {
      prefix: '/api',
      routes: async app => {
        app.get('/edition', async () => ({ edition: '1', pid: process.pid }))
        
      }
    }
  }
}
