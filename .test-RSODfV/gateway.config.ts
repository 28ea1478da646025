
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
        app.get('/edition', async () => ({ edition: '1', pid: process.pid }))
        
app.get('/throw', async () => void setImmediate(() => { throw new Error('thrown by a plugin') }))
app.get('/slow', () => new Promise(resolve => setTimeout(resolve, 1_500, { slow: true })))

      }
    }
  }
}
