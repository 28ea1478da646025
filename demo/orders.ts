// The order service: places and returns orders in SQLite. Amounts are numbers in its JSON, as in many real services, and
// integer cents inside.
import { DatabaseSync } from 'node:sqlite'
import Type from 'typebox'
import { catalogue } from './catalogue.ts'
import { buildService, serve } from './service.ts'

const strict = { additionalProperties: false }
const Text = Type.String({ minLength: 1, maxLength: 200 })
const NewOrder = Type.Object(
  {
    userId: Text,
    items: Type.Array(
      Type.Object(
        {
          productId: Text,
          quantity: Type.Integer({ minimum: 1, maximum: 10_000 }),
          price: Type.Number({ minimum: 0, maximum: 1_000_000 })
        },
        strict
      ),
      { minItems: 1, maxItems: 100 }
    ),
    shippingAddress: Type.Object({ street: Text, city: Text, state: Text, zip: Text, country: Text }, strict),
    metadata: Type.Object(
      { source: Type.Union([Type.String(), Type.Null()]), correlationId: Type.String() },
      strict
    )
  },
  strict
)
const IdParams = Type.Object({ id: Text })
const ListQuery = Type.Object({ limit: Type.Optional(Type.String({ pattern: '^[1-9][0-9]?$' })) }, strict)
// The gateway sets it for the authenticated user.
const UserHeader = Type.Object({ 'x-user-id': Type.Optional(Type.String()) })

interface OrderRow {
  id: number
  user_id: string
  content: string
  total_cents: number
  created_at: number
}

/** `database`: path of a SQLite file. Default: ':memory:'. `clock`: returns epoch milliseconds. */
export function buildOrders({ database = ':memory:', clock = Date.now } = {}) {
  const app = buildService()
  const db = openDatabase(database)
  app.addHook('onClose', async () => db.close())

  const insertOrder = db.prepare(`
    INSERT INTO orders (user_id, content, total_cents, created_at) VALUES (?, ?, ?, ?) RETURNING *`)
  const findOrder = db.prepare('SELECT * FROM orders WHERE id = ?')
  const listOrders = db.prepare('SELECT * FROM orders WHERE user_id = ? ORDER BY id DESC LIMIT ?')

  app.post('/orders', { schema: { body: NewOrder, headers: UserHeader } }, (request, reply) => {
    const order = request.body
    if (request.headers['x-user-id'] !== order.userId) {
      return reply.code(403).send({ error: 'X-User-Id is not the user of the order' })
    }
    const fault = findFault(order)
    if (fault) return reply.code(422).send({ error: fault })

    const total = order.items.reduce((sum, { quantity, price }) => sum + quantity * toCents(price), 0)
    const row = insertOrder.get(order.userId, JSON.stringify(order), total, clock()) as unknown as OrderRow
    return reply.code(201).send(toOrder(row))
  })

  app.get('/orders/:id', { schema: { params: IdParams, headers: UserHeader } }, (request, reply) => {
    const row = findOrder.get(request.params.id) as OrderRow | undefined
    const user = request.headers['x-user-id']
    // 404 also for orders of other users, so that ids cannot be probed.
    if (!row || (user !== undefined && user !== row.user_id)) {
      return reply.code(404).send({ error: 'no such order' })
    }
    return reply.send(toOrder(row))
  })

  app.get('/users/:id/orders', { schema: { params: IdParams, querystring: ListQuery } }, request => {
    const rows = listOrders.all(request.params.id, Number(request.query.limit ?? 10))
    return (rows as unknown as OrderRow[]).map(toOrder)
  })

  return app
}

// Checks that a schema cannot do: `multipleOf: 0.01` rejects 0.07, since it works on binary floats.
function findFault({ items }: Type.Static<typeof NewOrder>) {
  for (const { productId, price } of items) {
    if (!nameOf(productId)) return `unknown product: ${productId}`
    if (toCents(price) / 100 !== price) return `a price has at most two decimal places: ${price}`
  }
}

function toCents(price: number) {
  return Math.round(price * 100)
}

function nameOf(productId: string) {
  return catalogue.find(({ id }) => id === productId)?.name
}

// internalNotes and warehouse are internal: the gateway must not pass them on.
function toOrder(row: OrderRow) {
  const { items, shippingAddress, metadata } = JSON.parse(row.content) as Type.Static<typeof NewOrder>
  return {
    id: String(row.id),
    status: 'confirmed',
    items: items.map(({ productId, quantity, price }) => {
      return { productId, productName: nameOf(productId), quantity, price }
    }),
    total: row.total_cents / 100,
    shippingAddress,
    estimatedDelivery: new Date(row.created_at + 3 * 86_400_000).toISOString().slice(0, 10),
    createdAt: row.created_at,
    internalNotes: `from ${metadata.source ?? 'an unnamed client'}, correlation ${metadata.correlationId}`,
    warehouse: 'wh-7'
  }
}

function openDatabase(database: string) {
  const db = new DatabaseSync(database)
  db.exec(`
    CREATE TABLE IF NOT EXISTS orders (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      user_id TEXT NOT NULL,
      content TEXT NOT NULL, -- JSON of the order as it was placed
      total_cents INTEGER NOT NULL,
      created_at INTEGER NOT NULL -- epoch ms
    ) STRICT;
    CREATE INDEX IF NOT EXISTS orders_by_user ON orders (user_id, id)`)
  return db
}

if (import.meta.main) {
  const app = buildOrders({ database: process.env.DATABASE })
  await serve(app, 'orders', Number(process.env.PORT ?? 4002))
}
