import t from 'tap'
import { move } from '../../bench/scenarios/move.ts'
import { play } from '../../bench/scenarios/scenario.ts'

t.test('a name that comes to stand for another address is followed, and no call fails', async t => {
  const { figures, short } = await play(scene => move(scene, { rate: 50, slack: 5_000 }))
  t.strictSame(short, [], figures.map(figure => figure.join(': ')).join('; '))
})
