import { type AuthenticatedInstance, compose, path } from 'sluice'
import { amount } from 'sluice/money'
import type { Static } from 'typebox'
import { Dashboard, OrderSummaries, Recommendations } from '../schemas/dashboard.ts'
import { InternalUser } from '../schemas/users.ts'

/** Data of the shop's start page, from three services in one call. */
export async function dashboard(app: AuthenticatedInstance) {
  await app.register(compose)

  app.compose({
    url: '/',
    schema: { operationId: 'readDashboard', summary: "Read the data of the shop's start page" },
    response: Dashboard,
    parts: {
      user: {
        upstream: 'users',
        required: true,
        upstreamResponse: InternalUser,
        path: ({ user }) => path`/users/${user.sub}`
      },
      recentOrders: {
        upstream: 'orders',
        timeout: 2_000,
        upstreamResponse: OrderSummaries,
        path: ({ user }) => path`/users/${user.sub}/orders?limit=${10}`
      },
      recommendations: {
        upstream: 'products',
        timeout: 2_000,
        upstreamResponse: Recommendations,
        path: ({ user }) => path`/recommendations?userId=${user.sub}`
      }
    },
    toClient: ({ user, recentOrders, recommendations }) => ({
      user: { id: user.id, name: user.name, email: user.email },
      recentOrders: recentOrders === null ? null : recentOrders.map(summary),
      recommendations: recommendations === null ? null : recommendations.slice(0, 5).map(recommendation),
      stats: recentOrders && {
        totalOrders: recentOrders.length,
        totalSpent: amount(...recentOrders.map(({ total }) => total))
      }
    })
  })
}

function summary({ id, status, total, items }: Static<typeof OrderSummaries>[number]) {
  return { id, status, total: amount(total), itemCount: items.length }
}

function recommendation({ id, name, price }: Static<typeof Recommendations>[number]) {
  return { id, name, ...(price !== undefined && { price: amount(price) }) }
}
