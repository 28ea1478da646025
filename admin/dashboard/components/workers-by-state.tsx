/** States that differ between workers: `(open in worker 1; closed in workers 2, 3)`. */
export function WorkersByState({ of: workers }: { of: Record<string, number[]> }) {
  const parts = Object.entries(workers).map(
    ([state, ids]) => `${state} in ${ids.length === 1 ? 'worker' : 'workers'} ${ids.join(', ')}`
  )
  return <span class="muted">({parts.join('; ')})</span>
}
