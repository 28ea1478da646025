/**
 * Pairs of documents for every kind of change that oasdiff knows: each pair is one change, in both directions where that
 * makes sense. record-oasdiff.ts writes what oasdiff says about them.
 */

type Json = Record<string, unknown>

export interface DocumentPair {
  name: string
  old: Json
  now: Json
}

const text = { type: 'string' }
const number = { type: 'number' }
const integer = { type: 'integer' }
const list = { type: 'array', items: text }
const object = { type: 'object', properties: { a: text } }
const cat = { type: 'object', required: ['kind'], properties: { kind: { const: 'cat' }, lives: integer } }
const dog = { type: 'object', required: ['kind'], properties: { kind: { const: 'dog' }, tricks: list } }

const pets = { oneOf: [cat, dog] }

/** Two schemas of each change. */
const SCALARS: Record<string, [unknown, unknown]> = {
  'type string, integer': [text, integer],
  'type string, object': [text, object],
  'type integer, number': [integer, number],
  'type string, list of types': [text, { type: ['string', 'integer'] }],
  'list of two, three types': [{ type: ['string', 'integer'] }, { type: ['string', 'integer', 'boolean'] }],
  'type any, string': [{}, text],
  'null not allowed, allowed': [text, { type: ['string', 'null'] }],
  'enum none, set': [text, { type: 'string', enum: ['a', 'b'] }],
  'x-extensible-enum with two, one value': [
    { ...text, 'x-extensible-enum': ['a', 'b'] },
    { ...text, 'x-extensible-enum': ['a'] }
  ],
  'enum with two, three values': [
    { type: 'string', enum: ['a', 'b'] },
    { type: 'string', enum: ['a', 'b', 'c'] }
  ],
  'const none, set': [text, { type: 'string', const: 'a' }],
  'const a, b': [
    { type: 'string', const: 'a' },
    { type: 'string', const: 'b' }
  ],
  ...limit('minimum', number, 1, 5),
  ...limit('maximum', number, 5, 1),
  ...limit('exclusiveMinimum', number, 1, 5),
  ...limit('exclusiveMaximum', number, 5, 1),
  ...limit('multipleOf', number, 2, 4),
  'multipleOf 2, 3': [
    { type: 'integer', multipleOf: 2 },
    { type: 'integer', multipleOf: 3 }
  ],
  ...limit('minLength', text, 1, 5),
  ...limit('maxLength', text, 5, 1),
  ...limit('pattern', text, '^a+$', '^b+$'),
  'pattern one, all': [
    { type: 'string', pattern: '^a+$' },
    { type: 'string', pattern: '.*' }
  ],
  ...limit('format', text, 'date', 'date-time'),
  'format int32, int64': [
    { type: 'integer', format: 'int32' },
    { type: 'integer', format: 'int64' }
  ],
  ...limit('default', text, 'a', 'b'),
  ...limit('contentEncoding', text, 'base64', 'base32'),
  ...limit('contentMediaType', text, 'text/html', 'image/png'),
  ...limit('contentSchema', { type: 'string', contentMediaType: 'application/json' }, object, list),
  ...limit('minItems', list, 1, 5),
  ...limit('maxItems', list, 5, 1),
  ...limit('uniqueItems', list, true),
  'items of string, integer': [list, { type: 'array', items: integer }],
  ...limit('contains', list, { const: 'a' }, { const: 'b' }),
  ...limit('minContains', { ...list, contains: text }, 2, 3),
  ...limit('maxContains', { ...list, contains: text }, 3, 2),
  ...limit('prefixItems', list, [text], [text, text]),
  ...limit('unevaluatedItems', list, false)
}

/** Changes of objects, which parameters and headers rarely are. */
const OBJECTS: Record<string, [unknown, unknown]> = {
  'schema true, false': [true, false],
  ...limit('not', object, { required: ['b'] }, { required: ['c'] }),
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  ...limit('if', { ...object, then: { required: ['b'] } }, { required: ['a'] }),
  ...limit('then', { ...object, if: { required: ['a'] } }, { required: ['b'] }),
  ...limit('else', { ...object, if: { required: ['a'] } }, { required: ['b'] }),
  ...limit('minProperties', object, 1, 5),
  ...limit('maxProperties', object, 5, 1),
  ...limit('propertyNames', object, { pattern: '^a' }),
  ...limit('patternProperties', object, { '^x': text }),
  ...limit('dependentRequired', object, { a: ['b'] }, { a: ['c'] }),
  ...limit('dependentSchemas', object, { a: { required: ['b'] } }),
  ...limit('unevaluatedProperties', object, false),
  ...limit('additionalProperties', object, false, text),
  'member none, optional': [object, { type: 'object', properties: { a: text, b: text } }],
  'member none, required': [object, { type: 'object', required: ['b'], properties: { a: text, b: text } }],
  'member none, required with default': [
    object,
    { type: 'object', required: ['b'], properties: { a: text, b: { type: 'string', default: 'x' } } }
  ],
  'member optional, required': [object, { ...object, required: ['a'] }],
  'member optional, required, in a list': [
    { type: 'array', items: object },
    { type: 'array', items: { ...object, required: ['a'] } }
  ],
  'member none, optional, where others are rejected': [
    { ...object, additionalProperties: false },
    { type: 'object', properties: { a: text, b: text }, additionalProperties: false }
  ],
  'member optional, required with default': [
    { type: 'object', properties: { a: { ...text, default: 'x' } } },
    { type: 'object', properties: { a: { ...text, default: 'x' } }, required: ['a'] }
  ],
  'member none, deprecated and sunset': [
    object,
    { type: 'object', properties: { a: text, b: { ...text, deprecated: true, 'x-sunset': '2199-01-01' } } }
  ],
  'required member none, deprecated and sunset': [
    object,
    {
      type: 'object',
      required: ['b'],
      properties: { a: text, b: { ...text, deprecated: true, 'x-sunset': '2020-01-01' } }
    }
  ],
  ...guarded('readOnly'),
  ...guarded('writeOnly'),
  'optional member writable, readOnly': [
    object,
    { type: 'object', properties: { a: { ...text, readOnly: true } } }
  ],
  'required member writable, readOnly': [
    { ...object, required: ['a'] },
    { type: 'object', required: ['a'], properties: { a: { ...text, readOnly: true } } }
  ],
  'required member readable, writeOnly': [
    { ...object, required: ['a'] },
    { type: 'object', required: ['a'], properties: { a: { ...text, writeOnly: true } } }
  ],
  'member current, deprecated': [
    object,
    { type: 'object', properties: { a: { ...text, deprecated: true } } }
  ],
  'allOf one, two parts': [
    { allOf: [object] },
    { allOf: [object, { type: 'object', required: ['b'], properties: { b: text } }] }
  ],
  'allOf one part, with a description': [{ allOf: [object] }, { allOf: [object, { description: 'b' }] }],
  'anyOf one, two alternatives': [{ anyOf: [cat] }, { anyOf: [cat, dog] }],
  'oneOf one, two alternatives': [{ oneOf: [cat] }, { oneOf: [cat, dog] }],
  'oneOf of an alternative changed': [
    { oneOf: [cat, dog] },
    { oneOf: [cat, { ...dog, required: ['kind', 'tricks'] }] }
  ],
  'schema plain, one of two': [cat, { oneOf: [cat, dog] }],
  'discriminator none, set': [
    { oneOf: [cat, dog] },
    { oneOf: [cat, dog], discriminator: { propertyName: 'kind' } }
  ],
  'discriminator kind, name': [
    { oneOf: [cat, dog], discriminator: { propertyName: 'kind' } },
    { oneOf: [cat, dog], discriminator: { propertyName: 'name' } }
  ],
  'discriminator mapping none, set': [
    { oneOf: [cat, dog], discriminator: { propertyName: 'kind' } },
    {
      oneOf: [cat, dog],
      discriminator: { propertyName: 'kind', mapping: { cat: '#/components/schemas/Cat' } }
    }
  ],
  'discriminator mapping of one, two': [
    { ...pets, discriminator: { propertyName: 'kind', mapping: { cat: '#/components/schemas/Cat' } } },
    {
      ...pets,
      discriminator: {
        propertyName: 'kind',
        mapping: { cat: '#/components/schemas/Cat', dog: '#/components/schemas/Dog' }
      }
    }
  ],
  'discriminator mapping to one, another': [
    { ...pets, discriminator: { propertyName: 'kind', mapping: { cat: '#/components/schemas/Cat' } } },
    { ...pets, discriminator: { propertyName: 'kind', mapping: { cat: '#/components/schemas/Dog' } } }
  ],
  'schema plain, one of others': [text, { oneOf: [cat, dog] }],
  'description none, set': [object, { ...object, description: 'An object', title: 'A' }]
}

/** Returns changes of a member that only one direction has. */
function guarded(keyword: 'readOnly' | 'writeOnly'): Record<string, [unknown, unknown]> {
  const member = (schema: object, rest: object = {}) => ({
    type: 'object',
    properties: { a: text, m: { ...schema, [keyword]: true } },
    ...rest
  })
  return {
    [`${keyword} member none, optional`]: [object, member(text)],
    [`${keyword} member none, required`]: [object, member(text, { required: ['m'] })],
    [`${keyword} member optional, required`]: [member(text), member(text, { required: ['m'] })],
    [`${keyword} member with enum of two, three`]: [
      member({ type: 'string', enum: ['a', 'b'] }),
      member({ type: 'string', enum: ['a', 'b', 'c'] })
    ],
    [`${keyword} member with maximum 5, 1`]: [
      member({ type: 'number', maximum: 5 }),
      member({ type: 'number', maximum: 1 })
    ],
    [`${keyword} member with maxLength 5, 1`]: [
      member({ type: 'string', maxLength: 5 }),
      member({ type: 'string', maxLength: 1 })
    ]
  }
}

/** Returns the change from none to a value, and from that to another. */
function limit(
  keyword: string,
  schema: object,
  value: unknown,
  other?: unknown
): Record<string, [unknown, unknown]> {
  const changes: Record<string, [unknown, unknown]> = {
    [`${keyword} none, set`]: [schema, { ...schema, [keyword]: value }]
  }
  if (other !== undefined)
    changes[`${keyword} changed`] = [
      { ...schema, [keyword]: value },
      { ...schema, [keyword]: other }
    ]
  return changes
}

const ok = { description: 'OK' }
const json = (schema: unknown) => ({ content: { 'application/json': { schema } } })

/** Where a schema may stand. */
const PLACES: Record<string, (schema: unknown) => Json> = {
  'request body': schema => operation({ requestBody: { required: true, ...json(schema) } }),
  'request member': schema =>
    operation({ requestBody: { required: true, ...json({ type: 'object', properties: { m: schema } }) } }),
  'query parameter': schema => operation({ parameters: [{ name: 'q', in: 'query', schema }] }),
  'response body': schema => operation({ responses: { 200: { ...ok, ...json(schema) } } }),
  'response member': schema =>
    operation({ responses: { 200: { ...ok, ...json({ type: 'object', properties: { m: schema } }) } } }),
  'response header': schema => operation({ responses: { 200: { ...ok, headers: { 'X-A': { schema } } } } })
}

function operation(definition: Json, path = '/things', rest: Json = {}): Json {
  return document({ [path]: { post: { responses: { 200: ok }, ...definition } } }, rest)
}

function document(paths: Json, rest: Json = {}): Json {
  return { openapi: '3.1.0', info: { title: 'Things', version: '1' }, paths, ...rest }
}

const parameter = (place: string, rest: Json = {}) => ({ name: 'p', in: place, schema: text, ...rest })
const withParameter = (place: string, rest: Json = {}) => operation({ parameters: [parameter(place, rest)] })
const plain = operation({})
const body = (rest: Json = {}) => operation({ requestBody: { ...json(object), ...rest } })
const responses = (list: Json) => operation({ responses: list })
const header = (rest: Json) => responses({ 200: { ...ok, headers: { 'X-A': { schema: text, ...rest } } } })
const get = { responses: { 200: ok } }
const schemes = (scheme: Json) => ({ components: { securitySchemes: { key: scheme } } })
const apiKey = { type: 'apiKey', in: 'header', name: 'x-key' }
const secured = (security: unknown, scheme: Json = apiKey) =>
  operation({ ...(security !== undefined && { security }) }, '/things', {
    components: { securitySchemes: { key: scheme, other: { type: 'http', scheme: 'bearer' } } }
  })
const oauth = (scopes: string[], rest: Json = {}) =>
  operation({ security: [{ key: scopes }] }, '/things', schemes({ ...oauthScheme, ...rest }))
const flow = {
  authorizationUrl: 'https://a.example',
  tokenUrl: 'https://a.example/t',
  scopes: { read: '', write: '' }
}
const oauthScheme = { type: 'oauth2', flows: { authorizationCode: flow } }
const deprecated = (sunset?: string) =>
  document({
    '/things': { post: get, get: { ...get, deprecated: true, ...(sunset && { 'x-sunset': sunset }) } }
  })

const deprecatedPath = (sunset: string) =>
  document({
    '/things': { post: get },
    '/others': { get: { ...get, deprecated: true, 'x-sunset': sunset } }
  })

/** Changes of operations: old and new document. */
const OPERATIONS: Record<string, [Json, Json]> = {
  'path none, added': [plain, document({ '/things': { post: get }, '/others': { get } })],
  'method none, added': [plain, document({ '/things': { post: get, get } })],
  'method current, deprecated with a sunset': [
    document({ '/things': { post: get, get } }),
    deprecated('2199-01-01')
  ],
  'method deprecated with a passed sunset, removed': [deprecated('2020-01-01'), plain],
  'method deprecated with a later sunset, removed': [deprecated('2199-01-01'), plain],
  'method deprecated without a sunset, removed': [deprecated(), plain],
  'sunset later, earlier': [deprecated('2199-01-01'), deprecated('2198-01-01')],
  'path parameter named a, b': [
    operation({ parameters: [{ ...parameter('path'), name: 'a', required: true }] }, '/things/{a}'),
    operation({ parameters: [{ ...parameter('path'), name: 'b', required: true }] }, '/things/{b}')
  ],
  'query parameter none, optional': [plain, withParameter('query')],
  'query parameter none, required': [plain, withParameter('query', { required: true })],
  'query parameter optional, required': [withParameter('query'), withParameter('query', { required: true })],
  'header parameter none, required': [plain, withParameter('header', { required: true })],
  'header parameter optional, required': [
    withParameter('header'),
    withParameter('header', { required: true })
  ],
  'cookie parameter none, optional': [plain, withParameter('cookie')],
  'parameter in query, header': [withParameter('query'), withParameter('header')],
  'header parameter in lower, upper case': [withParameter('header'), withParameter('header', { name: 'P' })],
  'parameter style form, pipeDelimited': [
    withParameter('query', { schema: list }),
    withParameter('query', { schema: list, style: 'pipeDelimited', explode: false })
  ],
  'parameter of one operation, of the path': [
    withParameter('query'),
    document({ '/things': { parameters: [parameter('query')], post: get } })
  ],
  'request body none, optional': [plain, body()],
  'request body none, required': [plain, body({ required: true })],
  'request body optional, required': [body(), body({ required: true })],
  'request media type JSON, JSON and XML': [
    body(),
    body({ content: { 'application/json': { schema: object }, 'application/xml': { schema: object } } })
  ],
  'response media type JSON, JSON and XML': [
    responses({ 200: { ...ok, ...json(object) } }),
    responses({ 200: { ...ok, content: { 'application/json': { schema: object }, 'application/xml': {} } } })
  ],
  'response media type JSON, XML': [
    responses({ 200: { ...ok, ...json(object) } }),
    responses({ 200: { ...ok, content: { 'application/xml': { schema: object } } } })
  ],
  'response media type schema none, set': [
    responses({ 200: { ...ok, content: { 'application/json': {} } } }),
    responses({ 200: { ...ok, ...json(object) } })
  ],
  'response without, with a body': [plain, responses({ 200: { ...ok, ...json(object) } })],
  'status 200, 200 and 201': [plain, responses({ 200: ok, 201: ok })],
  'status 200, 201': [plain, responses({ 201: ok })],
  'status 200, 200 and 404': [plain, responses({ 200: ok, 404: ok })],
  'status 404, 4XX': [responses({ 200: ok, 404: ok }), responses({ 200: ok, '4XX': ok })],
  'response header none, optional': [plain, header({})],
  'response header none, required': [plain, header({ required: true })],
  'response header optional, required': [header({}), header({ required: true })],
  'problem with optional, required member': [
    responses({ 200: ok, 404: { ...ok, ...json(object) } }),
    responses({ 200: ok, 404: { ...ok, ...json({ ...object, required: ['a'] }) } })
  ],
  'problem with enum of two, three': [
    responses({ 200: ok, 404: { ...ok, ...json({ enum: ['a', 'b'] }) } }),
    responses({ 200: ok, 404: { ...ok, ...json({ enum: ['a', 'b', 'c'] }) } })
  ],
  'security none, key': [secured(undefined), secured([{ key: [] }])],
  'security optional, key': [secured([{}, { key: [] }]), secured([{ key: [] }])],
  'security key, key or other': [secured([{ key: [] }]), secured([{ key: [] }, { other: [] }])],
  'security key, key and other': [secured([{ key: [] }]), secured([{ key: [], other: [] }])],
  'security of all, with key': [
    operation({}, '/things', schemes(apiKey)),
    operation({}, '/things', { ...schemes(apiKey), security: [{ key: [] }] })
  ],
  'scope read, read and write': [oauth(['read']), oauth(['read', 'write'])],
  'key in header, query': [secured([{ key: [] }]), secured([{ key: [] }], { ...apiKey, in: 'query' })],
  'key named x-key, x-other': [
    secured([{ key: [] }]),
    secured([{ key: [] }], { ...apiKey, name: 'x-other' })
  ],
  'scheme apiKey, http': [secured([{ key: [] }]), secured([{ key: [] }], { type: 'http', scheme: 'basic' })],
  'http scheme basic, bearer': [
    secured([{ key: [] }], { type: 'http', scheme: 'basic' }),
    secured([{ key: [] }], { type: 'http', scheme: 'bearer' })
  ],
  'token URL changed': [
    oauth(['read']),
    oauth(['read'], { flows: { authorizationCode: { ...flow, tokenUrl: 'https://b.example/t' } } })
  ],
  'OpenID Connect URL changed': [
    secured([{ key: [] }], { type: 'openIdConnect', openIdConnectUrl: 'https://a.example' }),
    secured([{ key: [] }], { type: 'openIdConnect', openIdConnectUrl: 'https://b.example' })
  ],
  'security of all none, key': [
    document({ '/things': { post: get } }, schemes(apiKey)),
    document({ '/things': { post: get } }, { ...schemes(apiKey), security: [{ key: [] }] })
  ],
  'security of all with scope read, read and write': [
    document({ '/things': { post: get } }, { ...schemes(oauthScheme), security: [{ key: ['read'] }] }),
    document(
      { '/things': { post: get } },
      { ...schemes(oauthScheme), security: [{ key: ['read', 'write'] }] }
    )
  ],
  'unused security scheme none, added': [plain, operation({}, '/things', schemes(apiKey))],
  'authorization URL changed': [
    oauth(['read']),
    oauth(['read'], { flows: { authorizationCode: { ...flow, authorizationUrl: 'https://b.example' } } })
  ],
  'refresh URL changed': [
    oauth(['read'], { flows: { authorizationCode: { ...flow, refreshUrl: 'https://a.example/r' } } }),
    oauth(['read'], { flows: { authorizationCode: { ...flow, refreshUrl: 'https://b.example/r' } } })
  ],
  'scope of the flow none, added': [
    oauth(['read']),
    oauth(['read'], { flows: { authorizationCode: { ...flow, scopes: { ...flow.scopes, admin: '' } } } })
  ],
  'bearer format none, JWT': [
    secured([{ key: [] }], { type: 'http', scheme: 'bearer' }),
    secured([{ key: [] }], { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' })
  ],
  'path deprecated with a passed sunset, removed': [deprecatedPath('2020-01-01'), plain],
  'path deprecated with a later sunset, removed': [deprecatedPath('2199-01-01'), plain],
  'sunset none, set': [deprecated(), deprecated('2199-01-01')],
  'path without, with a parameter': [
    plain,
    operation({ parameters: [parameter('path', { required: true })] }, '/things/{p}')
  ],
  'path parameter undeclared, declared': [
    operation({}, '/things/{p}'),
    operation({ parameters: [parameter('path', { required: true })] }, '/things/{p}')
  ],
  'parameter of the path none, required': [
    plain,
    document({ '/things': { parameters: [parameter('query', { required: true })], post: get } })
  ],
  'parameter none, deprecated with a passed sunset': [
    plain,
    withParameter('query', { deprecated: true, 'x-sunset': '2020-01-01' })
  ],
  'parameter none, deprecated with a later sunset': [
    plain,
    withParameter('query', { deprecated: true, 'x-sunset': '2199-01-01' })
  ],
  'deepObject parameter with one, two members': [
    withParameter('query', { style: 'deepObject', schema: object }),
    withParameter('query', {
      style: 'deepObject',
      schema: { type: 'object', properties: { a: text, b: text }, required: ['b'] }
    })
  ],
  'deepObject parameter with member of string, null': [
    withParameter('query', { style: 'deepObject', schema: object }),
    withParameter('query', {
      style: 'deepObject',
      schema: { type: 'object', properties: { a: { type: ['string', 'null'] } } }
    })
  ],
  'deepObject parameter with member of any string, enum': [
    withParameter('query', { style: 'deepObject', schema: object }),
    withParameter('query', {
      style: 'deepObject',
      schema: { type: 'object', properties: { a: { type: 'string', enum: ['a'] } } }
    })
  ],
  'header parameter of an object with optional, required member': [
    withParameter('header', { schema: object }),
    withParameter('header', { schema: { ...object, required: ['a'] } })
  ],
  'response media type JSON, HAL': [
    responses({ 200: { ...ok, ...json(object) } }),
    responses({ 200: { ...ok, content: { 'application/hal+json': { schema: object } } } })
  ],
  'response media type without, with parameter': [
    responses({ 200: { ...ok, ...json(object) } }),
    responses({ 200: { ...ok, content: { 'application/json; v=1': { schema: object } } } })
  ],
  'response media type with parameter 1, 2': [
    responses({ 200: { ...ok, content: { 'application/json; v=1': { schema: object } } } }),
    responses({ 200: { ...ok, content: { 'application/json; v=2': { schema: object } } } })
  ],
  'schema of components none, unused': [plain, { ...plain, components: { schemas: { Unused: text } } }],
  'version of the document 1, 2': [plain, { ...plain, info: { title: 'Things', version: '2' } }],
  'operationId a, b': [operation({ operationId: 'a' }), operation({ operationId: 'b' })],
  'tag none, set': [plain, operation({ tags: ['a'] })],
  'server none, set': [plain, { ...plain, servers: [{ url: 'https://a.example' }] }],
  'webhook none, added': [plain, { ...plain, webhooks: { a: { post: get } } }],
  'callback none, added': [plain, operation({ callbacks: { a: { '{$request.body#/url}': { post: get } } } })]
}

export function allPairs(): DocumentPair[] {
  const inPlaces = Object.entries({ ...SCALARS, ...OBJECTS }).flatMap(([name, [a, b]]) =>
    Object.entries(PLACES)
      .filter(([place]) => name in SCALARS || !/parameter|header/.test(place))
      .flatMap(([place, put]) => bothWays(`${place}: ${name}`, put(a), put(b)))
  )
  return [...inPlaces, ...Object.entries(OPERATIONS).flatMap(([name, [a, b]]) => bothWays(name, a, b))]
}

function bothWays(name: string, old: Json, now: Json): DocumentPair[] {
  return [
    { name, old, now },
    { name: `${name}, reversed`, old: now, now: old }
  ]
}
