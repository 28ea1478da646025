import t from 'tap'
import { restart } from '../../bench/scenarios/restart.ts'
import { runScenario } from '../../bench/scenarios/scenario.ts'

t.test('a killed endpoint fails no GET and returns to rotation after its health check', async t => {
  const { figures, violations } = await runScenario(scenario =>
    restart(scenario, { rate: 50, times: 1, slack: 5_000 })
  )
  t.strictSame(violations, [], figures.map(figure => figure.join(': ')).join('; '))
})
