import t from 'tap'
import { hang } from '../../bench/scenarios/hang.ts'
import { runScenario } from '../../bench/scenarios/scenario.ts'

t.test('an endpoint that stops responding fails no request and slows down few', async t => {
  const { figures, violations } = await runScenario(scenario =>
    hang(scenario, { rate: 50, seconds: 6, maxSlow: 0.25 })
  )
  t.strictSame(violations, [], figures.map(figure => figure.join(': ')).join('; '))
})
