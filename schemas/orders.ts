import { Amount, InternalAmount, Price } from 'sluice/money'
import Type from 'typebox'

/** The order API, version 1. */

const Text = Type.String({ minLength: 1, maxLength: 200 })

export const Shipping = Type.Object(
  {
    street: Text,
    city: Text,
    region: Text,
    postalCode: Type.String({ minLength: 1, maxLength: 20 }),
    countryCode: Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2' })
  },
  { additionalProperties: false }
)

export const NewOrder = Type.Object(
  {
    orderItems: Type.Array(
      Type.Object(
        {
          id: Type.String({ minLength: 1, maxLength: 100 }),
          qty: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
          unitPrice: Price
        },
        { additionalProperties: false }
      ),
      { minItems: 1, maxItems: 100 }
    ),
    shipping: Shipping
  },
  { additionalProperties: false }
)

export const NewOrderHeaders = Type.Object({
  'x-client-id': Type.Optional(Type.String()),
  'x-correlation-id': Type.Optional(Type.String())
})

export const OrderParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 100 }) })

/** Some services use numbers as ids, others strings. Both pass unchanged. */
export const Id = Type.Unsafe<string | number>({ type: ['string', 'integer'] })

export const Order = Type.Object({
  id: Id,
  status: Type.String(),
  items: Type.Array(
    Type.Object({
      id: Id,
      name: Type.String(),
      quantity: Type.Integer(),
      unitPrice: Amount,
      subtotal: Amount
    })
  ),
  total: Amount,
  shipping: Type.Object({
    address: Type.Object({
      street: Type.String(),
      city: Type.String(),
      region: Type.String(),
      postalCode: Type.String(),
      countryCode: Type.String()
    }),
    estimatedDelivery: Type.Union([Type.String(), Type.Null()])
  }),
  createdAt: Type.String({ description: 'ISO 8601' })
})
export type Order = Type.Static<typeof Order>

/** The order service's own format. It has more members, which the gateway ignores. */

const Instant = Type.Union([Type.String(), Type.Number()])

export const InternalOrder = Type.Object({
  id: Id,
  status: Type.String(),
  items: Type.Array(
    Type.Object({
      productId: Id,
      productName: Type.String(),
      quantity: Type.Integer(),
      price: InternalAmount
    })
  ),
  total: InternalAmount,
  shippingAddress: Type.Object({
    street: Type.String(),
    city: Type.String(),
    state: Type.String(),
    zip: Type.String(),
    country: Type.String()
  }),
  estimatedDelivery: Type.Optional(Type.Union([Instant, Type.Null()])),
  createdAt: Instant
})
export type InternalOrder = Type.Static<typeof InternalOrder>
