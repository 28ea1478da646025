import t from 'tap'
import { runPage } from './run-page.ts'

for (const page of ['docs/openapi.md', 'docs/breaking-changes.md', 'docs/import.md'])
  t.test(`the code of ${page} works as the page shows`, t => runPage(t, page))
