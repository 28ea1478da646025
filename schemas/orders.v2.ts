import { Amount, Price } from 'sluice/money'
import Type from 'typebox'
import { Id, Order as OrderV1, Shipping } from './orders.ts'

/** The order API, version 2: order lines, and amounts with a currency. */

/** The shop's only currency; its order service has no currencies. */
export const CURRENCY = 'GBP' as const
const Currency = Type.Literal(CURRENCY, { description: 'ISO 4217' })

/** The response to clients. */
export const Money = Type.Object({ amount: Amount, currency: Currency })
export type Money = Type.Static<typeof Money>

export const NewOrder = Type.Object(
  {
    lines: Type.Array(
      Type.Object(
        {
          productId: Type.String({ minLength: 1, maxLength: 100 }),
          quantity: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
          unitPrice: Type.Object({ amount: Price, currency: Currency }, { additionalProperties: false })
        },
        { additionalProperties: false }
      ),
      { minItems: 1, maxItems: 100 }
    ),
    shipping: Shipping
  },
  { additionalProperties: false }
)

export const Order = Type.Object({
  id: Id,
  status: Type.String(),
  lines: Type.Array(
    Type.Object({
      productId: Id,
      name: Type.String(),
      quantity: Type.Integer(),
      unitPrice: Money,
      subtotal: Money
    })
  ),
  total: Money,
  shipping: OrderV1.properties.shipping,
  createdAt: Type.String({ description: 'ISO 8601' })
})
export type Order = Type.Static<typeof Order>
