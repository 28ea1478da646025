import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import transform, { defineTransform } from '../plugins/transform.ts'
import { UpstreamNonsense } from '../plugins/upstream/errors.ts'
import { path } from '../plugins/upstream/wire.ts'
import { amount, type InternalAmount, jsonNumber, product } from '../schemas/money.ts'
import { InternalOrder, NewOrderHeaders, OrderParams } from '../schemas/orders.ts'
import { CURRENCY, type Money, NewOrder, Order } from '../schemas/orders.v2.ts'

/** Orders: the shop's API in front of the order service's, which names and counts things differently. */
export async function ordersV2(app: FastifyInstance) {
  await app.register(transform)
  app.transform(placeOrder)
  app.transform(readOrder)
}

export const placeOrder = defineTransform({
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
        items: body.lines.map(({ productId, quantity, unitPrice }) => ({
          productId,
          quantity,
          price: jsonNumber(unitPrice.amount)
        })),
        shippingAddress: { street, city, state: region, zip: postalCode, country: countryCode },
        metadata: { source: headers['x-client-id'] ?? null, correlationId }
      }
    }
  },
  toClient: toOrder
})

export const readOrder = defineTransform({
  method: 'GET',
  url: '/:id',
  upstream: 'orders',
  params: OrderParams,
  answer: InternalOrder,
  response: Order,
  toUpstream: ({ params }) => ({ method: 'GET', path: path`/orders/${params.id}` }),
  toClient: toOrder
})

export function toOrder(order: InternalOrder): Order {
  const { street, city, state, zip, country } = order.shippingAddress
  return {
    id: order.id,
    status: order.status,
    lines: order.items.map(({ productId, productName, quantity, price }) => ({
      productId,
      name: productName,
      quantity,
      unitPrice: money(price),
      subtotal: money(product(quantity, price))
    })),
    total: money(order.total),
    shipping: {
      address: { street, city, region: state, postalCode: zip, countryCode: country },
      estimatedDelivery: order.estimatedDelivery == null ? null : String(order.estimatedDelivery)
    },
    createdAt: isoInstant(order.createdAt)
  }
}

function money(value: InternalAmount): Money {
  return { amount: amount(value), currency: CURRENCY }
}

/** ISO 8601 of what a service may call a point in time: an ISO string, or milliseconds since the epoch. */
function isoInstant(value: string | number): string {
  const date = new Date(value)
  if (Number.isNaN(date.getTime())) throw new UpstreamNonsense()
  return date.toISOString()
}
