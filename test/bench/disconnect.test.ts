import t from 'tap'
import { disconnect } from '../../bench/scenarios/disconnect.ts'
import { runScenario } from '../../bench/scenarios/scenario.ts'

t.test('calls of disconnected clients are cancelled', async t => {
  const { figures, violations } = await runScenario(scenario =>
    disconnect(scenario, { clients: 120, wave: 60, slack: 5_000, settle: 500 })
  )
  t.strictSame(violations, [], figures.map(figure => figure.join(': ')).join('; '))
})
