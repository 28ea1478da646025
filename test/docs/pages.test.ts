import t from 'tap'
import { runPage } from './run-page.ts'

/** Pages whose code is run. docs/tour.md has a test of its own. */
const PAGES = [
  'README.md',
  'docs/api-keys.md',
  'docs/deploy-without-downtime.md',
  'docs/deploy.md',
  'docs/extend.md',
  'docs/fastify-app.md',
  'docs/log-without-slowing-down.md',
  'docs/see.md',
  'docs/start.md',
  'docs/version-without-breaking-clients.md'
]
const only = process.env.PAGES?.split(' ')

for (const page of only ?? PAGES) t.test(`the code of ${page} works as the page shows`, t => runPage(t, page))
