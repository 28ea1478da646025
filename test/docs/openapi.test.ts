import t from 'tap'
import { runPage } from './run-page.ts'

t.test('the code of docs/openapi.md works as the page shows', t => runPage(t, 'docs/openapi.md'))
