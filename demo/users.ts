// The user service: the shop's customers, in SQLite.
import { DatabaseSync } from 'node:sqlite'
import Type from 'typebox'
import { buildService, serve } from './service.ts'

const seed = [
  ['ada', 'Ada Lovelace', 'ada@example.com', '2026-01-10T09:00:00.000Z'],
  ['grace', 'Grace Hopper', 'grace@example.com', '2026-02-11T10:30:00.000Z'],
  ['alan', 'Alan Turing', 'alan@example.com', '2026-03-12T12:00:00.000Z']
] as const

const UserParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 100 }) })

/** `database`: path of a SQLite file. Default: ':memory:'. */
export function buildUsers({ database = ':memory:' }: { database?: string } = {}) {
  const app = buildService()
  const db = openDatabase(database)
  app.addHook('onClose', async () => db.close())

  const findUser = db.prepare('SELECT id, name, email, created_at AS createdAt FROM users WHERE id = ?')

  app.get('/users/:id', { schema: { params: UserParams } }, (request, reply) => {
    const user = findUser.get(request.params.id)
    if (!user) return reply.code(404).send({ error: 'no such user' })
    return reply.send(user)
  })

  return app
}

function openDatabase(database: string) {
  const db = new DatabaseSync(database)
  db.exec(`
    CREATE TABLE IF NOT EXISTS users (
      id TEXT PRIMARY KEY,
      name TEXT NOT NULL,
      email TEXT NOT NULL,
      created_at TEXT NOT NULL
    ) STRICT`)
  const insert = db.prepare('INSERT OR IGNORE INTO users VALUES (?, ?, ?, ?)')
  for (const user of seed) insert.run(...user)
  return db
}

if (import.meta.main) {
  const app = buildUsers({ database: process.env.DATABASE })
  await serve(app, 'users', Number(process.env.PORT ?? 4001))
}
