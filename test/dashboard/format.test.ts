import t from 'tap'
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatRate,
  formatRatio,
  formatTime,
  formatUtc
} from '../../admin/dashboard/format.ts'

t.test('durations have two units at most', async t => {
  const found = [0.42, 12.34, 340.6, 1_254, 185_000, 7_500_000, 7_200_000, 273_600_000, 34_128_000_000].map(
    formatDuration
  )
  t.same(found, [
    '0.42 ms',
    '12.3 ms',
    '341 ms',
    '1.25 s',
    '3 min 5 s',
    '2 h 5 min',
    '2 h',
    '3 d 4 h',
    '395 d'
  ])
})

t.test('rates, ratios, bytes and counts have units', async t => {
  t.same([0, 0.126, 1_240.4].map(formatRate), ['0/s', '0.13/s', '1,240/s'])
  t.same([0, 0.0004, 0.125, 1].map(formatRatio), ['0 %', '0.04 %', '12.5 %', '100 %'])
  t.same([0, 812, 4_096, 1_572_864].map(formatBytes), ['0 B', '812 B', '4 KiB', '1.5 MiB'])
  t.equal(formatCount(1_240), '1,240')
})

t.test('a missing value is a dash', async t => {
  for (const format of [formatRate, formatRatio, formatDuration, formatBytes, formatCount])
    t.same([format(null), format(undefined)], ['–', '–'])
})

t.test('a time of another day has its date', async t => {
  const at = new Date(2026, 10, 30, 14, 3, 5).getTime()
  t.equal(formatTime(at, at + 1_000), '14:03:05')
  t.equal(formatTime(at, at + 86_400_000), '30 Nov 14:03:05')
  t.match(formatUtc(at), /^2026-11-30 \d\d:03:05\.000 UTC$/)
})
