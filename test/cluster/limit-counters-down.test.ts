import t from 'tap'
import { createLimitCounters } from '../../cluster/limit-counters.ts'
import { until } from '../until.ts'
import { type LimitedWorker, perHour, startLimited } from './limited-worker.ts'

/** Limits while the counting process is unavailable. */

const WAYS = {
  'is gone': (worker: LimitedWorker) => worker.child.disconnect(),
  'does not answer': (worker: LimitedWorker) => worker.child.removeAllListeners('message')
}

for (const [way, leave] of Object.entries(WAYS)) {
  t.test(`while the supervisor ${way}, each tier follows its onRedisDown`, async t => {
    const tiers = {
      open: perHour(6, { onRedisDown: 'open', counting: 'exact' }),
      closed: perHour(6, { onRedisDown: 'closed', counting: 'exact' }),
      local: perHour(6, { onRedisDown: 'local', counting: 'exact' })
    }
    const counters = createLimitCounters(1_000)
    const worker = await startLimited(t, counters, tiers, 2_000)
    for (const tier of Object.keys(tiers)) {
      const answer = await worker.askFor(tier, '192.0.2.1')
      t.equal(answer.headers.get('ratelimit'), `"${tier}";r=5;t=3600`)
    }
    leave(worker)
    for (let i = 0; i < 8; i++) {
      const answer = await worker.askFor('open', '192.0.2.1')
      t.equal(answer.status, 200)
      t.equal(answer.headers.get('ratelimit'), null)
    }
    const closed = await worker.askFor('closed', '192.0.2.1')
    t.match(closed, { status: 503, json: { title: 'Limits cannot be checked at the moment' } })
    const local: number[] = []
    for (let i = 0; i < 4; i++) local.push(await worker.ask('local', '192.0.2.1'))
    t.strictSame(local, [200, 200, 200, 429], 'its share of two workers')

    if (way === 'is gone') return
    worker.child.on('message', message => counters.reply(message, reply => worker.child.send(reply as never)))
    await until(async () => (await worker.ask('closed', '192.0.2.3')) === 200)
    t.match((await worker.askFor('local', '192.0.2.1')).headers.get('ratelimit'), '"local";r=4;')
  })
}
