import t from 'tap'
import type { OpenApiDocument, Operation, Response } from '../../openapi/document-types.ts'
import { Dashboard } from '../../schemas/dashboard.ts'
import { NewOrder, Order } from '../../schemas/orders.v2.ts'
import { startShop } from '../harness.ts'

const plain = (schema: object) => JSON.parse(JSON.stringify(schema))
const contentOf = (response: unknown) => (response as Response).content?.['application/json']?.schema

t.test('the schema that a route validates and serializes by is the one in the document', async t => {
  const { gateway } = await startShop(t, {})
  const document = (await gateway.openapi?.document('v2')) as OpenApiDocument
  const { paths } = document
  const place = paths['/api/v2/orders']?.post as Operation
  const { requestBody, responses } = place
  t.match(requestBody, { required: true, content: { 'application/json': { schema: plain(NewOrder) } } })
  t.same(contentOf(responses['2XX']), plain(Order))

  const composed = plain(Dashboard)
  composed.properties.missing = {
    type: 'array',
    items: { type: 'string' },
    description: 'Parts that are missing.'
  }
  t.same(contentOf(paths['/api/v1/dashboard']?.get?.responses['2XX']), composed)
})
