import t, { type Test } from 'tap'
import { call, startService } from '../harness.ts'
import { until } from '../until.ts'
import { ask, type RawClient } from './client.ts'
import { configOf, type RunningServer, startServer } from './rig.ts'

const ROUTES = `
const forward = (await import('../plugins/forward.ts')).default
await app.register(forward)
app.forward({ method: ['GET', 'POST'], url: '/things/*', upstream: 'things', prefix: '/' })
`
const DRAIN = 'drain: { timeout: 1_000, idle: 200 },'
const soon = (ms: number) => new Date(Date.now() + ms).toISOString()
const HOUR = 3_600_000

const responsesOf = (client: RawClient) =>
  [...client.text().matchAll(/HTTP\/1\.1 (\d+)[\s\S]*?\r\n\r\n([a-z]*)/g)].map(
    ([, status, body]) => `${status} ${body}`
  )

/** Returns status and body of one more response. */
async function next(client: RawClient, path = '/api/things/quick'): Promise<string | undefined> {
  const { length } = responsesOf(client)
  client.ask(path)
  await until(() => responsesOf(client).length > length)
  return responsesOf(client).at(-1)
}

/** Open connections to both workers. */
async function connect(t: Test, { url }: RunningServer): Promise<RawClient[]> {
  const clients = [ask(t, url, '/api/edition'), ask(t, url, '/api/edition')]
  await until(() => clients.every(client => responsesOf(client).length === 1))
  const pids = clients.map(client => /"pid":(\d+)/.exec(client.text())?.[1])
  t.not(pids[0], pids[1])
  return clients
}

/** Two endpoints, which respond with their names: a `slow` request waits until `finish` is called. */
async function startEndpoints(t: Test) {
  const waiting: { name: string; finish(): void }[] = []
  const start = (name: string) =>
    startService(t, (request, response) => {
      const finish = () => void response.end(name)
      if (request.url?.endsWith('/slow')) waiting.push({ name, finish })
      else finish()
    })
  return { one: await start('one'), two: await start('two'), waiting }
}

const send = (server: RunningServer, body: object) =>
  call(`${server.admin}/actions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body)
  })

t.test(
  'a drained endpoint gets no calls in any worker, over reloads and crashes, until the action ends',
  async t => {
    const { one, two, waiting } = await startEndpoints(t)
    const upstreams = `upstreams: { things: { endpoints: [{ url: '${one}' }, { url: '${two}' }], balance: { policy: 'round-robin' } } },`
    const server = await startServer(t, { config: configOf(1, DRAIN + upstreams, ROUTES) })
    const { admin, output, reload, status } = server
    const all = async (clients: RawClient[]) => {
      const bodies = new Set<string | undefined>()
      for (let i = 0; i < 3; i++) for (const client of clients) bodies.add(await next(client))
      return [...bodies].sort()
    }
    const clients = await connect(t, server)
    t.same(await all(clients), ['200 one', '200 two'])

    const slow = [ask(t, server.url, '/api/things/slow'), ask(t, server.url, '/api/things/slow')]
    await until(() => waiting.length === 2)
    const started = await send(server, {
      upstream: 'things',
      endpoint: one,
      action: 'drain',
      until: soon(HOUR),
      reason: 'disk is full'
    })
    t.match(started, {
      status: 201,
      json: {
        upstream: 'things',
        endpoint: one,
        action: 'drain',
        by: 'anonymous',
        address: '127.0.0.1',
        state: 'active',
        reason: 'disk is full'
      }
    })
    const { id } = started.json
    t.equal(started.headers.get('location'), `/actions/${id}`)
    t.equal(started.headers.get('sluice-missing'), null)
    t.same(await all(clients), ['200 two'])
    for (const { finish } of waiting) finish()
    await until(() => slow.every(client => responsesOf(client).length === 1))
    for (const client of slow) t.match(responsesOf(client)[0], '200', 'calls in flight end')

    t.match((await call(`${admin}/upstreams`)).json, [
      {
        endpoints: [
          { url: one, action: { id, action: 'drain', by: 'anonymous' } },
          { url: two, action: undefined }
        ]
      }
    ])
    t.match((await call(`${admin}/overview`)).json.problems, [
      { kind: 'operator-action', subject: `things ${one}` }
    ])
    await until(() =>
      /"level":"warn".*"action":"drain".*"by":"anonymous".*"msg":"operator action started"/.test(output())
    )
    t.match(await send(server, { upstream: 'things', endpoint: two, action: 'eject', until: soon(HOUR) }), {
      status: 409,
      json: { type: 'urn:sluice:last-endpoint' }
    })

    t.match(await reload(), { outcome: 'done' })
    const worker = (await status()).workers.find(({ generation }) => generation === 2)
    t.same(await all(await connect(t, server)), ['200 two'])
    process.kill(worker?.pid as number, 'SIGKILL')
    await until(async () => {
      const { workers, crashes } = await status()
      return crashes.count === 1 && workers.filter(({ state }) => state === 'ready').length === 2
    })
    const after = await connect(t, server)
    t.same(await all(after), ['200 two'])

    t.equal((await call(`${admin}/actions/${id}`, { method: 'DELETE' })).status, 204)
    t.same(await all(after), ['200 one', '200 two'])
    t.match((await call(`${admin}/actions`)).json, [{ id, state: 'ended', endedBy: 'anonymous' }])
    t.equal((await call(`${admin}/actions/${id}`, { method: 'DELETE' })).status, 404)
  }
)

t.test('calls in flight at an ejected endpoint are retried at another one', async t => {
  const { one, two, waiting } = await startEndpoints(t)
  const upstreams = `upstreams: { things: { endpoints: [{ url: '${one}' }, { url: '${two}' }], balance: { policy: 'round-robin' }, breaker: { failures: 1 } } },`
  const server = await startServer(t, { config: configOf(1, upstreams, ROUTES), workers: 1 })
  const slow = Array.from({ length: 4 }, () => ask(t, server.url, '/api/things/slow'))
  await until(() => waiting.length === 4)
  t.equal(
    (await send(server, { upstream: 'things', endpoint: one, action: 'eject', until: soon(HOUR) })).status,
    201
  )
  await until(() => waiting.length === 6)
  t.same(waiting.map(({ name }) => name).slice(4), ['two', 'two'])
  for (const { finish } of waiting) finish()
  await until(() => slow.every(client => responsesOf(client).length === 1))
  for (const client of slow) t.same(responsesOf(client), ['200 two'])

  const [{ breaker, endpoints }] = (await call(`${server.admin}/upstreams`)).json
  t.equal(breaker.state, 'closed', 'an order does not count as a failure')
  t.match(endpoints, [{ failures: 0, inFlight: 0 }, { calls: 4 }])

  const [{ id }] = (await call(`${server.admin}/actions`)).json
  await call(`${server.admin}/actions/${id}`, { method: 'DELETE' })
  const bodies = new Set<string | undefined>()
  for (let i = 0; i < 4; i++) bodies.add(await next(slow[0] as RawClient))
  t.same([...bodies].sort(), ['200 one', '200 two'])
})

t.test('a breaker that an operator opens stays open until its time, in all workers', async t => {
  let calls = 0
  const service = await startService(t, (_request, response) => {
    calls++
    response.end('one')
  })
  const breaker = 'breaker: { resetTimeout: 10, halfOpenRequests: 1 }'
  const server = await startServer(t, {
    config: configOf(1, `upstreams: { things: { url: '${service}', ${breaker} } },`, ROUTES)
  })
  const { admin, output } = server
  const clients = (await connect(t, server)) as [RawClient, RawClient]
  for (const client of clients) t.equal(await next(client), '200 one')
  const end = soon(1_500)
  t.equal((await send(server, { upstream: 'things', action: 'open', until: end })).status, 201)
  while (Date.now() < Date.parse(end) - 200) {
    for (const client of clients) t.match(await next(client), /^503/)
  }
  t.match(clients[0].text(), /retry-after: [12]\r\n/i)
  t.equal(calls, 2)
  t.match((await call(`${admin}/upstreams`)).json, [
    { breaker: { state: 'open', action: { action: 'open' } } }
  ])
  for (const client of clients) await until(async () => (await next(client)) === '200 one')
  t.ok(Date.now() >= Date.parse(end))
  await until(() => /"action":"open".*"msg":"operator action ended"/.test(output()))
  t.match((await call(`${admin}/actions`)).json, [{ state: 'ended', endedBy: undefined }])

  await send(server, { upstream: 'things', action: 'open', until: soon(HOUR) })
  for (const client of clients) t.match(await next(client), /^503/)
  t.match(await send(server, { upstream: 'things', action: 'reset' }), {
    status: 201,
    json: { state: 'ended' }
  })
  for (const client of clients) t.equal(await next(client), '200 one')
})

t.test('a reset closes an open breaker in all workers and forgets its counts', async t => {
  let isWell = false
  const service = await startService(t, (_request, response) => {
    response.writeHead(isWell ? 200 : 500).end('one')
  })
  const breaker = 'breaker: { failures: 3, resetTimeout: 600_000 }'
  const server = await startServer(t, {
    config: configOf(1, `upstreams: { things: { url: '${service}', ${breaker} } },`, ROUTES)
  })
  const clients = (await connect(t, server)) as [RawClient, RawClient]
  const isOpenInBoth = async () => {
    const [{ breaker }] = (await call(`${server.admin}/upstreams`)).json
    return breaker.state === 'open' && breaker.workers === undefined
  }
  for (let i = 0; i < 3; i++) await next(clients[0])
  await until(isOpenInBoth)
  isWell = true
  for (const client of clients) t.match(await next(client), /^503/)
  t.equal((await send(server, { upstream: 'things', action: 'reset' })).status, 201)
  for (const client of clients) t.match(await next(client), /^200/)

  isWell = false
  for (let i = 0; i < 2; i++) await next(clients[0])
  await send(server, { upstream: 'things', action: 'reset' })
  t.match((await call(`${server.admin}/upstreams`)).json, [
    { breaker: { state: 'closed', failures: 0, calls: 0 } }
  ])
  await next(clients[0])
  t.match(await next(clients[1]), /^500/, 'failures before the reset do not count')
})

t.test('an action that cannot be applied is rejected with the reason', async t => {
  const server = await startServer(t, {
    config: configOf(1, "upstreams: { things: { url: 'http://127.0.0.1:1' } },"),
    workers: 1
  })
  const valid = { upstream: 'things', action: 'open', until: soon(HOUR) }
  for (const [body, expected] of [
    [
      { ...valid, upstream: 'others' },
      { status: 404, json: { type: 'urn:sluice:no-such-upstream', known: ['things'] } }
    ],
    [
      { ...valid, action: 'drain', endpoint: 'http://127.0.0.1:2' },
      { status: 404, json: { type: 'urn:sluice:no-such-endpoint', known: ['http://127.0.0.1:1'] } }
    ],
    [
      { ...valid, until: undefined },
      { status: 400, json: { reason: /needs until/ } }
    ],
    [
      { ...valid, until: soon(-1_000) },
      { status: 400, json: { type: 'urn:sluice:invalid-until' } }
    ],
    [
      { ...valid, until: soon(8 * 24 * HOUR) },
      { status: 400, json: { type: 'urn:sluice:invalid-until' } }
    ],
    [{ ...valid, until: '2036-01-01T00:00' }, { status: 400 }],
    [
      { ...valid, action: 'drain' },
      { status: 400, json: { reason: /needs an endpoint/ } }
    ],
    [
      { ...valid, endpoint: 'http://127.0.0.1:1' },
      { status: 400, json: { reason: /takes no endpoint/ } }
    ],
    [
      { ...valid, action: 'reset' },
      { status: 400, json: { reason: /takes no until/ } }
    ],
    [{ ...valid, action: 'close' }, { status: 400 }],
    [{ ...valid, other: 1 }, { status: 400 }]
  ] as const)
    t.match(await send(server, body), expected, JSON.stringify(body))
  t.same((await call(`${server.admin}/actions`)).json, [])
  t.equal(
    (
      await call(`${server.admin}/actions`, {
        method: 'POST',
        headers: { origin: 'https://elsewhere.example' }
      })
    ).status,
    403
  )
})
