import t from 'tap'
import { runPage } from './run-page.ts'

for (const page of ['docs/index.md', 'docs/route.md', 'docs/grpc.md', 'docs/websocket.md'])
  t.test(`the code of ${page} works as the page shows`, t => runPage(t, page))
