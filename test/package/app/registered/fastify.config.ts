import { defineGateway, forward } from 'sluice'

declare module 'sluice' {
  interface Register {
    upstreams: 'orders'
  }
}

/** A project that registers its upstreams: the compiler finds wrong names. */
export default defineGateway({
  upstreams: { orders: { url: 'http://127.0.0.1:4002' } },
  scopes: {
    orders: {
      prefix: '/api/orders',
      routes: async app => {
        await app.register(forward)
        app.forward({ method: 'GET', url: '/:id', upstream: 'orders', prefix: '/orders' })
        // @ts-expect-error no such upstream
        app.forward({ method: 'GET', url: '/', upstream: 'ordres', prefix: '/orders' })
      }
    }
  }
})
