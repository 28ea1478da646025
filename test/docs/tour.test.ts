import t from 'tap'
import { runPage } from './run-page.ts'

t.test('the tour of the demo works as the page shows', t => runPage(t, 'docs/tour.md'))
