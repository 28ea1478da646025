import { randomUUID } from 'node:crypto'
import {
  type AuthenticatedInstance,
  defineAuthenticatedTransform,
  path,
  toDayOrUtc,
  toUtc,
  transform,
  UpstreamInvalidResponse
} from 'sluice'
import { amount, type InternalAmount, jsonNumber, product } from 'sluice/money'
import { InternalOrder, NewOrderHeaders, OrderParams } from '../schemas/orders.ts'
import { CURRENCY, type Money, NewOrder, Order } from '../schemas/orders.v2.ts'

/** Orders, version 2. The order service uses other names and types for the same data. */
export async function ordersV2(app: AuthenticatedInstance) {
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
  headers: NewOrderHeaders,
  upstreamResponse: InternalOrder,
  response: Order,
  toUpstream({ body, headers, user }) {
    const correlationId = correlationIdOf(headers['x-correlation-id'])
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
        metadata: { source: sourceOf(headers['x-client-id']), correlationId }
      }
    }
  },
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
      estimatedDelivery: order.estimatedDelivery == null ? null : dated(toDayOrUtc, order.estimatedDelivery)
    },
    createdAt: dated(toUtc, order.createdAt)
  }
}

function money(value: InternalAmount): Money {
  return { amount: amount(value), currency: CURRENCY }
}

/** Rejects ambiguous dates from the service, so that clients do not get a random interpretation. */
function dated(read: (value: string | number) => string | undefined, value: string | number): string {
  const date = read(value)
  if (date === undefined)
    throw new UpstreamInvalidResponse({ cause: new Error(`${JSON.stringify(value)} is not a date`) })
  return date
}

/** Replaces a malformed id, as for `X-Request-Id`: an optional header must not reject an order. */
function correlationIdOf(header: string | undefined): string {
  return header !== undefined && /^[\w.:-]{1,128}$/.test(header) ? header : randomUUID()
}

function sourceOf(header: string | undefined): string | null {
  return header !== undefined && header.length <= 100 ? header : null
}
