import t from 'tap'
import { isSupported } from '../../cli/node-version.js'
import { knownFlags, WORKER_FLAGS } from '../../cluster/v8-flags.ts'
import packageJson from '../../package.json' with { type: 'json' }

t.test('Node 22, 24 and 26 are supported, and no others', async t => {
  const { node } = packageJson.engines
  const supported = ['v22.19.0', 'v22.23.3', 'v24.4.0', 'v24.21.0', 'v26.0.0', 'v26.10.0', process.version]
  for (const version of supported) t.ok(isSupported(version, node), version)
  const others = ['v18.20.8', 'v20.20.2', 'v22.18.0', 'v23.11.1', 'v24.3.0', 'v25.9.0', 'v27.0.0']
  for (const version of others) t.notOk(isSupported(version, node), version)
})

t.test('workers get only flags that this Node knows', async t => {
  const unknown = ['--no-such-flag', '--such-a-flag=1']
  t.same(await knownFlags([...WORKER_FLAGS, ...unknown]), [...WORKER_FLAGS])
})
