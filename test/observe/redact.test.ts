import t from 'tap'
import { createRedactor } from '../../observe/redact/redactor.ts'

const redactor = createRedactor({ names: ['X-Tenant'], paths: ['customer.card.number', 'items.*.note'] })
const json = (text: string) => redactor.body(text, 'application/json; charset=utf-8')

t.test('secrets are recognized by name in every place', async t => {
  for (const [name, value, shown] of [
    ['Authorization', 'Bearer x', '[redacted]'],
    ['Set-Cookie', 'sid=x', '[redacted]'],
    ['X-Api-Key', 'x', '[redacted]'],
    ['x-tenant', 'x', '[redacted]'],
    ['X-Amz-Security-Token', 'x', '[redacted]'],
    ['Accept', 'text/html', 'text/html'],
    ['Location', '/cb?code=x&state=1#access_token=x', '/cb?code=[redacted]&state=1#[redacted]'],
    ['Referer', 'https://ada:x@shop.example/a', 'https://[redacted]@shop.example/a']
  ] as const)
    t.equal(redactor.header(name, value), shown, name)
  for (const [url, shown] of [
    ['/a?page=1&token=x', '/a?page=1&token=[redacted]'],
    ['/a?%74oken=x&user[password]=x&sig', '/a?%74oken=[redacted]&user[password]=[redacted]&sig'],
    ['/a?%E0%A4%A=1&apiKey=x', '/a?%E0%A4%A=1&apiKey=[redacted]']
  ] as const)
    t.equal(redactor.url(url), shown, url)
  t.equal(redactor.url('/reset/x/done?a=1', '/reset/:token/done'), '/reset/[redacted]/done?a=1')
  t.equal(
    redactor.body('user=ada&password=x', 'application/x-www-form-urlencoded'),
    'user=ada&password=[redacted]'
  )
})

t.test('JSON is masked by name at any depth and by path; the rest is unchanged', async t => {
  for (const [text, shown] of [
    ['{"a":1,"password":"x","b":[true,null]}', '{"a":1,"password":"[redacted]","b":[true,null]}'],
    ['{ "p\\u0061ssword" : "x\\"y" , "n":0.10}', '{ "p\\u0061ssword" : "[redacted]" , "n":0.10}'],
    ['{"token":{"a":["}",{"b":"x"}]},"c":2}', '{"token":"[redacted]","c":2}'],
    ['{"secrets":["x","y"],"pin":1234}', '{"secrets":"[redacted]","pin":"[redacted]"}'],
    [
      '{"customer":{"card":{"number":"x","kind":"v"}}}',
      '{"customer":{"card":{"number":"[redacted]","kind":"v"}}}'
    ],
    [
      '{"number":"ok","items":[{"note":"x"},{"note":"y","n":1}]}',
      '{"number":"ok","items":[{"note":"[redacted]"},{"note":"[redacted]","n":1}]}'
    ],
    ['[{"token":"x"}]\n{"token":"y"}', '[{"token":"[redacted]"}]\n{"token":"[redacted]"}'],
    // Truncated, and not JSON.
    ['{"a":"b","token":"eyJhb', '{"a":"b","token":"[redacted]"'],
    ['{"token":{"a":"x', '{"token":"[redacted]"'],
    ['{"to', '{"to'],
    ['}}]]{"token":"x"}', '}}]]{"token":"[redacted]"}'],
    ['{"token" "x"}', '{"token" "[redacted]"}'],
    ['{token:"x"}', '{token:"[redacted]"}'],
    ['', '']
  ] as const)
    t.equal(json(text), shown, text)
})

t.test('no text takes long to mask', async t => {
  for (const text of [
    '['.repeat(200_000),
    '{"a":'.repeat(100_000),
    '"\\'.repeat(200_000),
    '{"token":'.repeat(50_000)
  ]) {
    const before = process.cpuUsage()
    json(text)
    t.ok(process.cpuUsage(before).user < 3_000_000, text.slice(0, 10))
  }
})
