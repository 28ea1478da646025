import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import transform from '../plugins/transform.ts'
import { UpstreamNonsense } from '../plugins/upstream/errors.ts'
import { path } from '../plugins/upstream/wire.ts'
import { amount, jsonNumber, product } from '../schemas/money.ts'
import { InternalOrder, NewOrder, NewOrderHeaders, Order, OrderParams } from '../schemas/orders.ts'

/** Orders: the shop's API in front of the order service's, which names and counts things differently. */
export async function orders(app: FastifyInstance) {
  await app.register(transform)

  app.transform({
    method: 'POST',
    url: '/',
    upstream: 'orders',
    body: NewOrder,
    headers: NewOrderHeaders,
    answer: InternalOrder,
    response: Order,
    toUpstream({ body, headers, user }) {
      const correlationId = headers['x-correlation-id'] ?? randomUUID()
      const { street, city, region, postalCode, countryCode } = body.shipping
      return {
        method: 'POST',
        path: '/orders',
        headers: { 'x-correlation-id': correlationId },
        body: {
          userId: user.sub,
          items: body.orderItems.map(({ id, qty, unitPrice }) => ({
            productId: id,
            quantity: qty,
            price: jsonNumber(unitPrice)
          })),
          shippingAddress: { street, city, state: region, zip: postalCode, country: countryCode },
          metadata: { source: headers['x-client-id'] ?? null, correlationId }
        }
      }
    },
    toClient: toOrder
  })

  app.transform({
    method: 'GET',
    url: '/:id',
    upstream: 'orders',
    params: OrderParams,
    answer: InternalOrder,
    response: Order,
    toUpstream: ({ params }) => ({ method: 'GET', path: path`/orders/${params.id}` }),
    toClient: toOrder
  })
}

export function toOrder(order: InternalOrder): Order {
  const { street, city, state, zip, country } = order.shippingAddress
  return {
    id: order.id,
    status: order.status,
    items: order.items.map(({ productId, productName, quantity, price }) => ({
      id: productId,
      name: productName,
      quantity,
      unitPrice: amount(price),
      subtotal: amount(product(quantity, price))
    })),
    total: amount(order.total),
    shipping: {
      address: { street, city, region: state, postalCode: zip, countryCode: country },
      estimatedDelivery: order.estimatedDelivery == null ? null : String(order.estimatedDelivery)
    },
    createdAt: isoInstant(order.createdAt)
  }
}

/** ISO 8601 of what a service may call a point in time: an ISO string, or milliseconds since the epoch. */
function isoInstant(value: string | number): string {
  const date = new Date(value)
  if (Number.isNaN(date.getTime())) throw new UpstreamNonsense()
  return date.toISOString()
}
