import t from 'tap'
import { dnsChange } from '../../bench/scenarios/dns-change.ts'
import { runScenario } from '../../bench/scenarios/scenario.ts'

t.test('a changed DNS address is followed without failed requests', async t => {
  const { figures, violations } = await runScenario(scenario =>
    dnsChange(scenario, { rate: 50, slack: 5_000 })
  )
  t.strictSame(violations, [], figures.map(figure => figure.join(': ')).join('; '))
})
