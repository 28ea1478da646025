import t from 'tap'
import { leave } from '../../bench/scenarios/leave.ts'
import { play } from '../../bench/scenarios/scenario.ts'

t.test('clients that leave take their calls with them', async t => {
  const { figures, short } = await play(scene =>
    leave(scene, { clients: 120, wave: 60, slack: 5_000, settle: 500 })
  )
  t.strictSame(short, [], figures.map(figure => figure.join(': ')).join('; '))
})
