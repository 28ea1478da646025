import t from 'tap'
import { play } from '../../bench/scenarios/scenario.ts'
import { storm } from '../../bench/scenarios/storm.ts'

t.test('a storm of 503s is not made worse, and stays where it is', async t => {
  const { figures, short } = await play(scene => storm(scene, { rate: 50, seconds: 2, slack: 500 }))
  t.strictSame(short, [], figures.map(figure => figure.join(': ')).join('; '))
})
