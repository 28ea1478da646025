// The product service: products and recommendations, in memory.
import Type from 'typebox'
import { catalogue } from './catalogue.ts'
import { buildService, serve } from './service.ts'

const ProductParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 100 }) })
const RecommendationsQuery = Type.Object(
  { userId: Type.String({ minLength: 1, maxLength: 100 }) },
  { additionalProperties: false }
)

/** `products`: default is the demo's catalogue. */
export function buildProducts({ products = catalogue } = {}) {
  const app = buildService()

  app.get('/products', () => products)

  app.get('/products/:id', { schema: { params: ProductParams } }, (request, reply) => {
    const product = products.find(({ id }) => id === request.params.id)
    if (!product) return reply.code(404).send({ error: 'no such product' })
    return reply.send(product)
  })

  app.get('/recommendations', { schema: { querystring: RecommendationsQuery } }, ({ query }) =>
    products
      .map(({ id, name, price }) => ({ id, name, price, score: score(query.userId, id) }))
      .sort((a, b) => b.score - a.score)
      .slice(0, 6)
  )

  return app
}

// Replaces a recommender: scores differ between users, and are stable for one user.
function score(userId: string, productId: string) {
  let hash = 0
  for (const char of `${userId}/${productId}`) hash = (hash * 31 + char.charCodeAt(0)) % 9973
  return hash / 9973
}

if (import.meta.main) {
  await serve(buildProducts(), 'products', Number(process.env.PORT ?? 4003))
}
