import t from 'tap'
import Type from 'typebox'
import { defineTransform } from '../../proxy/transform-route.ts'
import { step } from '../../versions/step.ts'

const next = defineTransform({
  method: 'POST',
  url: '/',
  upstream: 'orders',
  params: Type.Object({ id: Type.String() }),
  body: Type.Object({ lines: Type.Array(Type.Object({ sku: Type.String(), count: Type.Integer() })) }),
  upstreamResponse: Type.Object({ n: Type.Integer() }),
  response: Type.Object({ total: Type.Object({ amount: Type.String() }), note: Type.String() }),
  toUpstream: ({ body }) => ({ method: 'POST', path: '/', body }),
  toClient: ({ n }) => ({ total: { amount: String(n) }, note: '' })
})
const Body = Type.Object({ skus: Type.Array(Type.String()) })
const Response = Type.Object({ total: Type.String() })

t.test('the compiler rejects a step that does not fit both versions', t => {
  // Steps that compile.
  const middle = step(next, {
    request: {
      body: Body,
      toNext: ({ body }) => ({ body: { lines: body.skus.map(sku => ({ sku, count: 1 })) } })
    },
    response: { schema: Response, fromNext: ({ total }) => ({ total: total.amount }) },
    faults: { '/body/lines': '/body/skus', '/body/lines/*/sku': '/body/skus/*', '/params/id': '/params/id' }
  })
  step(middle, { response: { schema: Response, fromNext: ({ total }) => ({ total: `${total}!` }) } })
  step(next, { url: '/old' })

  step(next, {
    // @ts-expect-error the body differs, but toNext is missing
    request: { body: Body }
  })
  step(next, {
    request: {
      body: Body,
      // @ts-expect-error a body that the next version does not take
      toNext: () => ({})
    }
  })
  step(next, {
    request: {
      body: Body,
      // @ts-expect-error a body of another shape
      toNext: ({ body }) => ({ body: { lines: body.skus } })
    }
  })
  step(next, {
    request: {
      body: Body,
      // @ts-expect-error a member that the older version does not have
      toNext: ({ body }) => ({ body: { lines: body.lines } })
    }
  })
  step(next, {
    request: {
      params: Type.Object({ number: Type.Integer() }),
      // @ts-expect-error a parameter is missing
      toNext: ({ body }) => ({ body })
    }
  })
  step(next, {
    // @ts-expect-error the response differs, but fromNext is missing
    response: { schema: Response }
  })
  step(next, {
    response: {
      schema: Response,
      // @ts-expect-error a response of another shape
      fromNext: ({ total }) => ({ total })
    }
  })
  step(next, {
    response: {
      schema: Response,
      // @ts-expect-error a member that the next version does not have
      fromNext: ({ sum }) => ({ total: sum })
    }
  })
  step(middle, {
    response: {
      schema: Response,
      // @ts-expect-error the next version is the middle one, whose total is a string
      fromNext: ({ total }) => ({ total: total.amount })
    }
  })
  step(next, {
    request: {
      body: Body,
      toNext: ({ body }) => ({ body: { lines: body.skus.map(sku => ({ sku, count: 1 })) } })
    },
    // @ts-expect-error a pointer that the next version does not have
    faults: { '/body/line': '/body/skus' }
  })
  step(next, {
    request: {
      body: Body,
      toNext: ({ body }) => ({ body: { lines: body.skus.map(sku => ({ sku, count: 1 })) } })
    },
    // @ts-expect-error a pointer that the older version does not have
    faults: { '/body/lines': '/body/sku' }
  })
  t.pass('checked by tsc')
  t.end()
})
