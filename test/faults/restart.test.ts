import t from 'tap'
import { restart } from '../../bench/scenarios/restart.ts'
import { play } from '../../bench/scenarios/scenario.ts'

t.test('an endpoint that is killed fails no GET, and is back with its check', async t => {
  const { figures, short } = await play(scene => restart(scene, { rate: 50, times: 1, slack: 5_000 }))
  t.strictSame(short, [], figures.map(figure => figure.join(': ')).join('; '))
})
