import t from 'tap'
import { runPage } from './run-page.ts'

for (const page of ['docs/reference/http.md', 'docs/reference/listen.md'])
  t.test(`the code of ${page} works as the page shows`, t => runPage(t, page))
