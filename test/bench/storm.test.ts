import t from 'tap'
import { runScenario } from '../../bench/scenarios/scenario.ts'
import { storm } from '../../bench/scenarios/storm.ts'

t.test('retries of 503s stay within the budget, and other upstreams are not affected', async t => {
  const { figures, violations } = await runScenario(scenario =>
    storm(scenario, { rate: 50, seconds: 2, slack: 500 })
  )
  t.strictSame(violations, [], figures.map(figure => figure.join(': ')).join('; '))
})
