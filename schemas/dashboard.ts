import { Amount, InternalAmount } from 'sluice/money'
import Type from 'typebox'

const Id = Type.Unsafe<string | number>({ type: ['string', 'integer'] })

/** The members of an order that the dashboard uses. */
export const OrderSummaries = Type.Array(
  Type.Object({ id: Id, status: Type.String(), total: InternalAmount, items: Type.Array(Type.Unknown()) })
)

export const Recommendations = Type.Array(
  Type.Object({ id: Id, name: Type.String(), price: Type.Optional(InternalAmount) })
)

export const Dashboard = Type.Object({
  user: Type.Object({ id: Id, name: Type.String(), email: Type.String() }),
  recentOrders: Type.Union([
    Type.Array(Type.Object({ id: Id, status: Type.String(), total: Amount, itemCount: Type.Integer() })),
    Type.Null()
  ]),
  recommendations: Type.Union([
    Type.Array(Type.Object({ id: Id, name: Type.String(), price: Type.Optional(Amount) })),
    Type.Null()
  ]),
  stats: Type.Union([Type.Object({ totalOrders: Type.Integer(), totalSpent: Amount }), Type.Null()])
})
