import { type AuthenticatedInstance, step, transform } from 'sluice'
import { NewOrder, Order } from '../schemas/orders.ts'
import { CURRENCY, type Order as OrderV2 } from '../schemas/orders.v2.ts'
import { placeOrder, readOrder } from './orders.v2.ts'

/** Orders, version 1, as a step from version 2: items instead of lines, amounts without currency. */
export async function ordersV1(app: AuthenticatedInstance) {
  await app.register(transform)

  app.transform(
    step(placeOrder, {
      request: {
        body: NewOrder,
        toNext: ({ body: { orderItems, shipping } }) => ({
          body: {
            lines: orderItems.map(({ id, qty, unitPrice }) => ({
              productId: id,
              quantity: qty,
              unitPrice: { amount: unitPrice, currency: CURRENCY }
            })),
            shipping
          }
        })
      },
      response: { schema: Order, fromNext: toOrder },
      faults: {
        '/body/lines': '/body/orderItems',
        '/body/lines/*/productId': '/body/orderItems/*/id',
        '/body/lines/*/quantity': '/body/orderItems/*/qty',
        '/body/lines/*/unitPrice/amount': '/body/orderItems/*/unitPrice'
      }
    })
  )
  app.transform(step(readOrder, { response: { schema: Order, fromNext: toOrder } }))
}

function toOrder({ lines, total, ...order }: OrderV2): Order {
  return {
    ...order,
    items: lines.map(({ productId, unitPrice, subtotal, ...line }) => ({
      ...line,
      id: productId,
      unitPrice: unitPrice.amount,
      subtotal: subtotal.amount
    })),
    total: total.amount
  }
}
