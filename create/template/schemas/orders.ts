import { Amount, InternalAmount } from 'sluice/money'
import Type from 'typebox'

/** The API of clients, version 2. */

export const OrderParams = Type.Object({ id: Type.String({ pattern: '^o-[0-9]+$' }) })

export const NewOrder = Type.Object(
  {
    product: Type.String({ minLength: 1, maxLength: 100 }),
    quantity: Type.Integer({ minimum: 1, maximum: 100 })
  },
  { additionalProperties: false }
)

export const Order = Type.Object({
  id: Type.String(),
  product: Type.String(),
  quantity: Type.Integer(),
  total: Amount
})

/** The format of the order service. */

export const InternalOrder = Type.Object({
  orderId: Type.String(),
  sku: Type.String(),
  qty: Type.Integer(),
  total: InternalAmount
})
export type InternalOrder = Type.Static<typeof InternalOrder>
