import t from 'tap'
import { runPage } from './run-page.ts'

for (const page of ['docs/reference/log.md', 'docs/reference/metrics.md', 'docs/reference/recorder.md'])
  t.test(`the code of ${page} works as the page shows`, t => runPage(t, page))
