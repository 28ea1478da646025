import t from 'tap'
import { path } from '../../proxy/path-template.ts'
import { parseJson } from '../../proxy/response-reader.ts'

t.test('numbers that a double would change become strings', async t => {
  const parse = (text: string) => parseJson(Buffer.from(text))
  t.same(parse('{"a":0.1,"b":10,"c":"12345678901234567890"}'), { a: 0.1, b: 10, c: '12345678901234567890' })
  t.equal(parse('12345678901234567890'), '12345678901234567890')
  t.equal(parse('0.1000000000000000055511151231257827'), '0.1000000000000000055511151231257827')
  t.equal(parse('1234567890.12345678'), '1234567890.12345678')
  t.equal(parse('9007199254740993'), '9007199254740993')
  t.equal(parse('9007199254740991'), 9007199254740991)
  t.equal(parse('0.10000000000000000000'), 0.1, 'trailing zeros do not matter')
  t.equal(parse('1e400'), '1e400')
  const tiny = `0.${'0'.repeat(500_000)}1`
  t.equal(parse(tiny), tiny, 'with any number of digits')
  t.equal(parse(tiny.slice(0, -1)), 0)
  t.equal(
    parse('{"a":[1.5,99999999999999999999]}') &&
      (parse('{"a":[1.5,99999999999999999999]}') as { a: unknown[] }).a[1],
    '99999999999999999999'
  )
})

t.test('invalid JSON is a failure of the service', async t => {
  for (const text of ['', '<html>', '{"a":1', '{"a":1}x', '12345678901234567890x']) {
    t.throws(
      () => parseJson(Buffer.from(text)),
      { code: 'SLUICE_UPSTREAM_INVALID_RESPONSE', statusCode: 502 },
      text
    )
  }
})

t.test('a path encodes each value as one segment', async t => {
  t.equal(path`/users/${'a/b?c#d%'}/orders?limit=${10}`, '/users/a%2Fb%3Fc%23d%25/orders?limit=10')
  t.equal(path`/users/${'\ud800'}`, '/users/%EF%BF%BD', 'a lone surrogate does not throw')
  for (const value of ['', '.', '..'])
    t.throws(() => path`/users/${value}`, { code: 'SLUICE_UNSAFE_PATH', statusCode: 400 })
})
