import t from 'tap'
import { runPage } from './run-page.ts'

for (const page of ['docs/transform.md', 'docs/compose.md', 'docs/version.md'])
  t.test(`the code of ${page} works as the page shows`, t => runPage(t, page))
