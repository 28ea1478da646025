import t from 'tap'
import { createUsage } from '../../versions/usage.ts'

t.test('the least recent consumer makes room for a new one', async t => {
  const usage = createUsage(2)
  usage.count('a', 1)
  usage.count('b', 2)
  usage.count('a', 3)
  usage.count('c', 4)
  t.same(
    usage.consumers(10).map(({ consumer, calls }) => [consumer, calls]),
    [
      ['a', 2],
      ['c', 1]
    ]
  )
  t.match(usage, { calls: 4, lastCall: 4, dropped: 1 })
  t.equal(usage.known(), 2)
  usage.consumers(10)
  usage.count('d', 5)
  t.same(
    usage
      .consumers(10)
      .map(({ consumer }) => consumer)
      .sort(),
    ['c', 'd'],
    'reading does not refresh consumers'
  )
})
