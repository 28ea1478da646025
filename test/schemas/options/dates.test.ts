import t from 'tap'
import { isInstant, toDayOrUtc, toUtc } from '../../../schemas/options/dates.ts'

t.test('an instant is converted to UTC with all its digits', async t => {
  const instants: [value: string | number, utc: string][] = [
    ['2026-11-24T10:00:00Z', '2026-11-24T10:00:00.000Z'],
    ['2026-11-24t10:00:00z', '2026-11-24T10:00:00.000Z'],
    ['2026-11-24 10:00:00+00:00', '2026-11-24T10:00:00.000Z'],
    ['2026-11-24 10:00:00.25Z', '2026-11-24T10:00:00.250Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
    ['2026-11-24T10:00Z', '2026-11-24T10:00:00.000Z'],
    ['2026-11-24T10:00:00.5+01:00', '2026-11-24T09:00:00.500Z'],
    ['2026-11-24T10:00:00.000+0000', '2026-11-24T10:00:00.000Z'],
    ['2026-12-31T23:30:00-05:30', '2027-01-01T05:00:00.000Z'],
    ['2026-11-24T10:00:00.123456789Z', '2026-11-24T10:00:00.123456789Z'],
    ['2026-11-24T10:00:00.1234560+05:30', '2026-11-24T04:30:00.123456Z'],
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    [0, '1970-01-01T00:00:00.000Z'],
    [1_796_083_200_000, '2026-12-01T00:00:00.000Z']
  ]
  for (const [value, utc] of instants) t.equal(toUtc(value), utc, String(value))
})

t.test('an ambiguous date is not an instant', async t => {
  const none = [
    '2026-11-24T10:00:00',
    '2026-11-24',
    '2026-11-31T10:00:00Z',
    '2026-02-29T10:00:00Z',
    '2026-00-10T10:00:00Z',
    '2026-13-10T10:00:00Z',
    '2026-11-24T24:00:00Z',
    '2026-11-24T10:60:00Z',
    '2026-11-24T10:00:60Z',
    '2026-11-24T10:00:00+25:00',
    '2026-11-24T10:00:00.Z',
    '2026-11-24 10:00:00',
    '2026-11-24  10:00:00Z',
    '2026-11-24T10:00:00 Z',
    '20261124T100000Z',
    '24.11.2026',
    '11/24/2026',
    'Tue, 24 Nov 2026 10:00:00 GMT',
    'yesterday',
    '10',
    '1796083200000',
    '',
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e20,
    1_796_083_200.5
  ]
  for (const value of none) {
    t.equal(toUtc(value), undefined, String(value))
    if (typeof value === 'string') t.notOk(isInstant(value))
  }
})

t.test('a year outside 0 to 9999 is rejected', async t => {
  for (const value of [
    '9999-12-31T23:30:00-01:00',
    '0000-01-01T00:30:00+01:00',
    253_402_300_800_000,
    8.64e15
  ])
    t.equal(toUtc(value), undefined, String(value))
})

t.test('toDayOrUtc accepts a day without a time', async t => {
  t.equal(toDayOrUtc('2026-12-01'), '2026-12-01')
  t.equal(toDayOrUtc('2026-12-01T12:00:00+01:00'), '2026-12-01T11:00:00.000Z')
  t.equal(toDayOrUtc(1_796_083_200_000), '2026-12-01T00:00:00.000Z')
  for (const value of ['2026-11-31', '2026-1-1', 'soon', '10']) t.equal(toDayOrUtc(value), undefined, value)
})
