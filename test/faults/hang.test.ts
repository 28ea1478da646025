import t from 'tap'
import { hang } from '../../bench/scenarios/hang.ts'
import { play } from '../../bench/scenarios/scenario.ts'

t.test('an endpoint that stops to answer fails no call, and slows down few', async t => {
  const { figures, short } = await play(scene => hang(scene, { rate: 50, seconds: 6, share: 0.25 }))
  t.strictSame(short, [], figures.map(figure => figure.join(': ')).join('; '))
})
