import { once } from 'node:events'
import { get } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { environment } from '../../fastify.config.ts'
import { DrainOptions } from '../../schemas/options/drain.ts'
import { startServer } from '../cluster/rig.ts'
import { call } from '../harness.ts'
import { REQUIRED, type Rendered, renderChart, resourceOf } from './helm.ts'

/** The pod of the chart beside the gateway that it starts. */

const secrets = { ...REQUIRED.secrets, REDIS_URL: { secret: 'redis', key: 'url' } }
const [rendered] = renderChart([{ ...REQUIRED, secrets }]) as [Rendered]
const pod = resourceOf(rendered, 'Deployment').spec.template.spec
const [container] = pod.containers
const variables: { name: string; value: string }[] = container.env
const variable = (wanted: string) => variables.find(({ name }) => name === wanted)?.value

t.test('the variables are those of the config', t => {
  const known = Object.keys(environment.properties)
  for (const { name } of variables)
    t.ok(name === 'WORKERS' || known.includes(name.replace(/_FILE$/, '')), name)
  t.end()
})

t.test('the times agree', t => {
  const { delay, timeout } = DrainOptions.properties as Record<string, { default?: number }>
  t.equal(Number(variable('DRAIN_DELAY')), delay?.default)
  t.equal(Number(variable('DRAIN_TIMEOUT')), timeout?.default)
  t.equal(environment.properties.DRAIN_DELAY.default, delay?.default)
  t.equal(environment.properties.DRAIN_TIMEOUT.default, timeout?.default)
  const seconds = (Number(variable('DRAIN_DELAY')) + Number(variable('DRAIN_TIMEOUT'))) / 1_000
  t.equal(pod.terminationGracePeriodSeconds, container.lifecycle.preStop.sleep.seconds + seconds + 5)
  t.end()
})

t.test('a gateway with the variables of the pod answers its probes, and exits with 0', async t => {
  const token = 'a-token-of-operators'
  const directory = t.testdir({ ADMIN_TOKEN: `${token}\n` })
  const env = Object.fromEntries(
    variables
      .filter(({ name }) => !/^((ADMIN_)?PORT|REDIS_URL_FILE)$/.test(name))
      .map(({ name, value }) => [name, value.replace('/run/secrets/sluice', directory)])
  )
  t.equal(env.ADMIN_TOKEN_FILE, join(directory, 'ADMIN_TOKEN'))
  const config = "export { default, environment } from '../fastify.config.ts'"
  const { child, admin, url } = await startServer(t, { config, workers: 1, env })
  const probes = ['startupProbe', 'livenessProbe', 'readinessProbe']
  for (const probe of probes) {
    const { path, port } = container[probe].httpGet
    t.equal(port, 'admin')
    t.equal((await call(admin + path)).status, 200, `${probe} ${path}`)
  }
  t.equal((await call(`${admin}/cluster`)).status, 401)
  const [host] = String(variable('ADMIN_HOSTS')).split(',').slice(-1)
  const metrics = (host: string) => statusOf(`${admin}/metrics`, { host, authorization: `Bearer ${token}` })
  t.equal(await metrics(`${host}:8081`), 200)
  t.equal(await metrics('other.svc:8081'), 421)
  t.ok((await call(url)).status < 500, 'the request of `helm test`')
  child.kill('SIGTERM')
  t.same(await once(child, 'exit'), [0, null])
})

/** Sends `host`, which fetch does not. */
async function statusOf(url: string, headers: Record<string, string>): Promise<number | undefined> {
  const [response] = await once(get(url, { headers, agent: false }), 'response')
  response.resume()
  return response.statusCode
}
