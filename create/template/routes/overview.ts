import { type AuthenticatedInstance, compose, path } from 'sluice'
import Type from 'typebox'
import { InternalOrder, Order } from '../schemas/orders.ts'
import { toOrder } from './orders.v2.ts'

const Product = Type.Object({ id: Type.String(), name: Type.String() })

/** A user's start page, composed of two services. It works without products. */
export async function overview(app: AuthenticatedInstance) {
  await app.register(compose)

  app.compose({
    url: '/',
    schema: { operationId: 'readOverview', summary: "Read the data of a user's start page" },
    response: Type.Object({
      orders: Type.Array(Order),
      products: Type.Union([Type.Array(Product), Type.Null()])
    }),
    parts: {
      orders: {
        upstream: 'orders',
        required: true,
        upstreamResponse: Type.Array(InternalOrder),
        path: ({ user }) => path`/users/${user.sub}/orders`
      },
      products: {
        upstream: 'products',
        timeout: 1_000,
        upstreamResponse: Type.Array(Product),
        path: () => '/products'
      }
    },
    toClient: ({ orders, products }) => ({ orders: orders.map(toOrder), products })
  })
}
