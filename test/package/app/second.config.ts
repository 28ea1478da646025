import { defineGateway, forward } from 'sluice'

/** A second config in one project, with other upstreams. */
export default defineGateway({
  upstreams: { stock: { url: 'http://127.0.0.1:4003' } },
  scopes: {
    stock: {
      prefix: '/api/stock',
      routes: async app => {
        await app.register(forward)
        app.forward({ method: 'GET', url: '/*', upstream: 'stock', prefix: '/stock' })
      }
    },
    typo: {
      prefix: '/api/typo',
      routes: async app => {
        await app.register(forward)
        app.forward({ method: 'GET', url: '/*', upstream: 'stokc', prefix: '/stock' })
      }
    }
  }
})
