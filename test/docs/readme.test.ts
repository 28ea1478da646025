import t from 'tap'
import { runPage } from './run-page.ts'

for (const page of ['README.md', 'docs/start.md', 'docs/create.md'])
  t.test(`the code of ${page} works as the page shows`, t => runPage(t, page))
