/** Counts rows by a value, the most frequent first. Rows without the value are left out. */
export function countBy<Row>(rows: Row[], read: (row: Row) => string | undefined): [string, number][] {
  const counts = new Map<string, number>()
  for (const row of rows) {
    const value = read(row)
    if (value !== undefined && value !== '') counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  return [...counts].sort(([, a], [, b]) => b - a)
}
