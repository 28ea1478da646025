import { type AuthenticatedInstance, step, transform } from 'sluice'
import type { Static } from 'typebox'
import idempotencyKey from '../plugins/idempotency-key.ts'
import type { Order as OrderV2 } from '../schemas/orders.ts'
import { NewOrder, Order } from '../schemas/orders.v1.ts'
import { placeOrder, readOrder } from './orders.v2.ts'

/** Orders, version 1: typed steps from version 2, so that the order service knows one version only. */
export async function ordersV1(app: AuthenticatedInstance) {
  await app.register(idempotencyKey)
  await app.register(transform)

  app.transform(
    step(placeOrder, {
      request: {
        body: NewOrder,
        toNext: ({ body }) => ({ body: { product: body.item, quantity: body.count } })
      },
      response: { schema: Order, fromNext: toOrderV1 },
      // Clients of version 1 get the names that they sent in validation errors.
      faults: { '/body/product': '/body/item', '/body/quantity': '/body/count' }
    })
  )
  app.transform(step(readOrder, { response: { schema: Order, fromNext: toOrderV1 } }))
}

function toOrderV1({ id, product, quantity, total }: Static<typeof OrderV2>): Static<typeof Order> {
  return { id, item: product, count: quantity, total }
}
