import { setTimeout as sleep } from 'node:timers/promises'
import { startGatewayProcess, startServiceProcess } from '../faults/processes.ts'
import { quantile, sendSteadily } from '../faults/steady-load.ts'
import { formatMs, type Scenario } from './scenario.ts'

/** One of three endpoints stops responding under a steady load. */
export async function hang(
  scenario: Scenario,
  { rate = 200, seconds = 30, timeout = 250, maxSlow = 0.01 } = {}
): Promise<void> {
  const services = await Promise.all([1, 2, 3].map(() => scenario.start(startServiceProcess())))
  const gateway = await scenario.start(
    startGatewayProcess({
      upstreams: { api: { endpoints: services.map(({ url }) => ({ url })), timeout, retry: {} } }
    })
  )
  const url = `${gateway.url}/api/small`
  const { times: baseline } = await sendSteadily(url, rate, sleep(3_000))
  const end = sleep(seconds * 1_000)
  setTimeout(() => services[0]?.child.kill('SIGSTOP'), 1_000)
  const { sent, times, results } = await sendSteadily(url, rate, end)
  const bound = timeout + quantile(baseline, 0.5)
  const slow = times.filter(time => time > bound).length
  scenario.report('requests', sent)
  scenario.report('responses', JSON.stringify(results))
  scenario.report('median, p99, slowest', [0.5, 0.99, 1].map(q => formatMs(quantile(times, q))).join(', '))
  scenario.report(`slower than ${formatMs(bound)}`, `${slow} (${((100 * slow) / sent).toFixed(2)} %)`)
  scenario.expect(results['200'] === sent, 'some requests fail')
  scenario.expect(slow <= sent * maxSlow, `more than ${maxSlow * 100} % exceed the timeout plus the median`)
}
