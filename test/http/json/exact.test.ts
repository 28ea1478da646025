import t from 'tap'
import { isExact, isJsonNumber, isTooDeep, MAX_DEPTH, quoteInexact } from '../../../http/json/exact.ts'

t.test('numbers that a double holds are kept in any spelling', async t => {
  for (const source of ['0', '-0', '-0.0', '0e5', '19.99', '0.10000000000000000000', '100000000000000000000'])
    t.ok(isExact(Number(source), source), source)
  for (const source of ['1.2345678E7', '1.0E-5', '1e-05', '1e+16', '1E+16', '1.0E10', '9.223372036854776E18'])
    t.ok(isExact(Number(source), source), `${source}, as Java, Python, Ruby and .NET print doubles`)
  for (const source of [
    '1.7976931348623157E308',
    '4.9E-324',
    '5e-324',
    '0.30000000000000004',
    '1e21',
    '1E+2'
  ])
    t.ok(isExact(Number(source), source), source)
  t.ok(
    isExact(Number('52.520008000000001'), '52.520008000000001'),
    "of C's %.15f only the last digit may differ"
  )
})

t.test('numbers that a double would change are quoted', async t => {
  const integers = ['9007199254740993', '9007199254740993.0', '0.9007199254740993e16', '9223372036854775807']
  for (const source of [...integers, '72057594037927936', '-12345678901234567890'])
    t.notOk(isExact(Number(source), source), `${source} prints other digits`)
  for (const source of [
    '999999999999999.99',
    '99999999999999.99',
    '1234567890.12345678',
    '4503599627370497.3'
  ])
    t.notOk(isExact(Number(source), source), `${source} is an amount`)
  for (const source of ['1e400', '-1e400', '1e-400', '1e99999999999', '1.2345e-320'])
    t.notOk(isExact(Number(source), source), `${source} is beyond doubles`)
  t.notOk(isExact(0.1, '0.1000000000000000055511151231257827'))
})

t.test('numbers in strings and names stay unchanged', async t => {
  const text = '{"12345678901234567890":"a\\"12345678901234567890","b\\\\":[1,"\\\\\\"",1e400,-1.50],"c":1}'
  t.equal(quoteInexact(text), text.replace(',1e400', ',"1e400"'))
  t.same(JSON.parse(quoteInexact(text))['b\\'], [1, '\\"', '1e400', -1.5])
  t.equal(quoteInexact('12345678901234567890'), '"12345678901234567890"')
})

t.test('only numbers of RFC 8259 are numbers', async t => {
  for (const text of ['0', '-0', '10', '-1.5', '1e3', '1E+2']) t.ok(isJsonNumber(text), text)
  for (const text of ['', ' 1', '1 ', '+1', '007', '0x10', '0b1', '1.', '.5', '1e', 'Infinity', 'NaN', '١'])
    t.notOk(isJsonNumber(text), text)
})

t.test('nesting is counted outside of strings', async t => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
  t.notOk(isTooDeep(nested(MAX_DEPTH)))
  t.ok(isTooDeep(nested(MAX_DEPTH + 1)))
  t.ok(isTooDeep('{"a":'.repeat(MAX_DEPTH + 1)), 'also in a truncated text')
  t.notOk(isTooDeep(`["${'['.repeat(5_000)}"]`))
  t.notOk(isTooDeep(`[${'[],{},'.repeat(5_000)}1]`))
  t.notOk(isTooDeep(`["\\"${'['.repeat(5_000)}"]`))
})

t.test('the scan takes linear time', async t => {
  const units = ['1e1,', '1e300,', '12345678901234567890,', '0.00000000000000000000001,', '{},', '"\\\\",']
  for (const unit of units) {
    const text = `[${unit.repeat(1_000_000 / unit.length)}1]`
    t.equal(JSON.parse(quoteInexact(text)).length, Math.floor(1_000_000 / unit.length) + 1, unit)
  }
  for (const text of [
    '1'.repeat(1e6),
    `0.${'0'.repeat(1e6)}1`,
    `1e${'0'.repeat(1e6)}`,
    `"${'\\\\'.repeat(5e5)}"`
  ])
    t.type(quoteInexact(text), 'string', text.slice(0, 5))
})
