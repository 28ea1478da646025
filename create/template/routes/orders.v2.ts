import { type AuthenticatedInstance, defineAuthenticatedTransform, path, transform } from 'sluice'
import { amount } from 'sluice/money'
import idempotencyKey from '../plugins/idempotency-key.ts'
import { InternalOrder, NewOrder, Order, OrderParams } from '../schemas/orders.ts'

/** Orders, version 2: transformed, because the order service uses other names. */
export async function ordersV2(app: AuthenticatedInstance) {
  await app.register(idempotencyKey)
  await app.register(transform)
  app.transform(placeOrder)
  app.transform(readOrder)
}

export const placeOrder = defineAuthenticatedTransform({
  method: 'POST',
  url: '/',
  schema: { operationId: 'placeOrder', summary: 'Place an order' },
  upstream: 'orders',
  body: NewOrder,
  upstreamResponse: InternalOrder,
  response: Order,
  toUpstream: ({ body, user }) => ({
    method: 'POST',
    path: '/orders',
    body: { userId: user.sub, sku: body.product, qty: body.quantity }
  }),
  toClient: toOrder
})

export const readOrder = defineAuthenticatedTransform({
  method: 'GET',
  url: '/:id',
  schema: { operationId: 'readOrder', summary: 'Read an order' },
  upstream: 'orders',
  params: OrderParams,
  upstreamResponse: InternalOrder,
  response: Order,
  toUpstream: ({ params, user }) => ({ method: 'GET', path: path`/users/${user.sub}/orders/${params.id}` }),
  toClient: toOrder
})

export function toOrder({ orderId, sku, qty, total }: InternalOrder) {
  return { id: orderId, product: sku, quantity: qty, total: amount(total) }
}
