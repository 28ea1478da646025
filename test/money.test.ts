import Big from 'big.js'
import t from 'tap'
import { amount, type InternalAmount, jsonNumber, product } from '../money.ts'
import { seeded } from './random.ts'

t.test('amounts with two or more decimals are added exactly', async t => {
  t.equal(amount(0.1), '0.10')
  t.equal(amount(0.1, 0.2), '0.30')
  t.equal(amount('1.005'), '1.01')
  t.equal(amount('-1.005'), '-1.01')
  t.equal(amount('12345678901234567890.1'), '12345678901234567890.10')
  t.equal(amount(1e-7), '0.00')
  t.equal(amount(1e21), '1000000000000000000000.00')
  t.equal(amount(), '0.00')
  t.equal(
    amount('90071992547409.91', 0.01),
    '90071992547409.92',
    'a sum that is no safe integer in hundredths'
  )
  t.equal(amount('-0.00'), '0.00')
  t.equal(amount(-5, '4.99'), '-0.01')
})

t.test('amounts are multiplied exactly', async t => {
  t.equal(product(3, 0.1), '0.30')
  t.equal(amount(product(3, '0.333')), '1.00')
  t.equal(amount(product(1_000_000, '9999999999999.99')), '9999999999999990000.00')
  t.equal(amount(product(-2, 0.05)), '-0.10')
})

t.test('integer and decimal arithmetic give the same results', async t => {
  let different = 0
  const random = seeded(7)
  for (let i = 0; i < 5_000; i++) {
    const terms = Array.from({ length: 1 + Math.floor(random() * 3) }, (): InternalAmount => {
      const text = `${random() < 0.3 ? '-' : ''}${Math.floor(10 ** (random() * 16))}${['', '.5', '.07', '.123', '.995'][Math.floor(random() * 5)]}`
      return random() < 0.5 ? text : Number(text)
    })
    const expected = terms.reduce((sum: Big, term) => sum.plus(term), Big(0)).toFixed(2, Big.roundHalfUp)
    const quantity = Math.floor(random() * 1_000_000)
    if (amount(...terms) !== expected && different++ < 5)
      t.equal(amount(...terms), expected, JSON.stringify(terms))
    const [price] = terms as [InternalAmount]
    if (!Big(product(quantity, price)).eq(Big(price).times(quantity)))
      t.fail(`${quantity} x ${price} is not ${product(quantity, price)}`)
  }
  t.equal(different, 0)
})

t.test('only decimal strings are sent as numbers, with the same digits', async t => {
  for (const decimal of ['0', '0.10', '-12345678901234567890.10', '1e400'])
    t.equal(JSON.stringify({ n: jsonNumber(decimal) }), `{"n":${decimal}}`)
  for (const text of ['', '007', '+1', '.5', 'NaN', 'null', 'true', '"x"', '1,"admin":true', ' 1'])
    t.throws(() => jsonNumber(text), SyntaxError, text)
})
