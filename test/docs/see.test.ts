import t from 'tap'
import { runPage } from './run-page.ts'

for (const page of [
  'docs/see.md',
  'docs/dashboard.md',
  'docs/traces.md',
  'docs/log-without-slowing-down.md',
  'docs/version-without-breaking-clients.md'
])
  t.test(`the code of ${page} works as the page shows`, t => runPage(t, page))
