import t from 'tap'
import { passedTraceparent } from '../../http/trace-context.ts'
import forward from '../../plugins/forward.ts'
import { call, startGateway, startService } from '../harness.ts'

const trace = '0af7651916cd43dd8448eb211c80319c'
const span = 'b7ad6b7169203331'
const good = `00-${trace}-${span}-01`

t.test('an invalid traceparent starts a new trace', async t => {
  for (const [value, passed] of [
    [good, good],
    [`00-${trace}-${span}-ff`, `00-${trace}-${span}-03`],
    [`cc-${trace}-${span}-01-what-will-be`, good],
    [`cc-${trace}-${span}-01`, good],
    [`00-${trace}-${span}-01-more`, undefined],
    [`ff-${trace}-${span}-01`, undefined],
    [`cc-${trace}-${span}-01.more`, undefined],
    [`00-${'0'.repeat(32)}-${span}-01`, undefined],
    [`00-${trace}-${'0'.repeat(16)}-01`, undefined],
    [good.toUpperCase(), undefined],
    [`${good}, ${good}`, undefined],
    [` ${good}`, undefined],
    [`cc-${trace}-${span}-01-${'x'.repeat(1_000)}`, undefined],
    ['', undefined],
    [undefined, undefined]
  ] as const)
    t.equal(passedTraceparent(value), passed, String(value))
})

t.test(
  "a service gets one trace per request, the client's or a new one, and tracestate only with it",
  async t => {
    const service = await startService(t, ({ headers: { traceparent, tracestate } }, response) => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ traceparent, tracestate }))
    })
    const start = async (trace?: { sample: number }) => {
      const { url } = await startGateway(t, {
        ...(trace && { trace }),
        upstreams: { echo: { url: service } },
        scopes: {
          echo: {
            prefix: '/echo',
            routes: async app => {
              await app.register(forward)
              app.forward({ method: 'GET', url: '/', upstream: 'echo', prefix: '/' })
            }
          }
        }
      })
      return async (headers: Record<string, string>) => (await call(`${url}/echo/`, { headers })).json
    }
    const ask = await start()
    t.same(await ask({ traceparent: good, tracestate: 'a=1,b@c=2' }), {
      traceparent: good,
      tracestate: 'a=1,b@c=2'
    })
    const longest = Array.from({ length: 32 }, (_, i) => `k${i}=v`).join(',')
    for (const tracestate of ['a=1,a=2', 'a=1, b=2 , ,a=3', longest])
      t.same(await ask({ traceparent: good, tracestate }), { traceparent: good, tracestate }, tracestate)
    for (const tracestate of ['nonsense', 'A=1', `a=${'x'.repeat(300)}`, ',', `${longest},more=v`])
      t.same(await ask({ traceparent: good, tracestate }), { traceparent: good }, tracestate)
    const made = await ask({ traceparent: 'nonsense', tracestate: 'a=1' })
    t.match(made.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-03$/)
    t.equal(made.tracestate, undefined)
    const seen = new Set<string>()
    for (let i = 0; i < 600; i++) seen.add((await ask({})).traceparent)
    t.equal(seen.size, 600)
    t.match((await (await start({ sample: 0 }))({})).traceparent, /-02$/)
  }
)
