import t from 'tap'
import { leave } from '../../bench/scenarios/leave.ts'
import { play } from '../../bench/scenarios/scenario.ts'

t.test('clients that leave take their calls with them', async t => {
  const { figures, short } = await play(scene => leave(scene, { clients: 300, wave: 100, slack: 5_000 }))
  t.strictSame(short, [], figures.map(figure => figure.join(': ')).join('; '))
})
