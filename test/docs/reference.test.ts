import t from 'tap'
import { runPage } from './run-page.ts'

for (const page of [
  'docs/reference/admin.md',
  'docs/reference/causes.md',
  'docs/reference/cli.md',
  'docs/reference/config.md',
  'docs/reference/errors.md'
])
  t.test(`the code of ${page} works as the page shows`, t => runPage(t, page))
