import { setTimeout as sleep } from 'node:timers/promises'
import { quantile, steadily } from '../faults/load.ts'
import { startGatewayProcess, startServiceProcess } from '../faults/processes.ts'
import { ms, type Scene } from './scenario.ts'

/** One of three endpoints stops to answer, in the middle of a steady load. */
export async function hang(
  scene: Scene,
  { rate = 200, seconds = 30, timeout = 250, share = 0.01 } = {}
): Promise<void> {
  const services = await Promise.all([1, 2, 3].map(() => scene.start(startServiceProcess())))
  const gateway = await scene.start(
    startGatewayProcess({
      upstreams: { api: { endpoints: services.map(({ url }) => ({ url })), timeout, retry: {} } }
    })
  )
  const url = `${gateway.url}/api/small`
  const { times: warm } = await steadily(url, rate, sleep(3_000))
  const end = sleep(seconds * 1_000)
  setTimeout(() => services[0]?.child.kill('SIGSTOP'), 1_000)
  const { sent, times, results } = await steadily(url, rate, end)
  const bound = timeout + quantile(warm, 0.5)
  const slow = times.filter(time => time > bound).length
  scene.figure('requests', sent)
  scene.figure('answers', JSON.stringify(results))
  scene.figure('median, p99, slowest', [0.5, 0.99, 1].map(share => ms(quantile(times, share))).join(', '))
  scene.figure(`slower than ${ms(bound)}`, `${slow} (${((100 * slow) / sent).toFixed(2)} %)`)
  scene.must(results['200'] === sent, 'some fail')
  scene.must(slow <= sent * share, 'more than 1 % are slower than the timeout and the median')
}
