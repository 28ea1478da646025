import { Amount } from 'sluice/money'
import Type from 'typebox'

/** The API of clients, version 1: `item` and `count` instead of `product` and `quantity`. */

export const NewOrder = Type.Object(
  {
    item: Type.String({ minLength: 1, maxLength: 100 }),
    count: Type.Integer({ minimum: 1, maximum: 100 })
  },
  { additionalProperties: false }
)

export const Order = Type.Object({
  id: Type.String(),
  item: Type.String(),
  count: Type.Integer(),
  total: Amount
})
