/** Returns a function that gives each of `count` callers its delay in ms, spread evenly over `duration` ms. */
export function spreadEvenly(count: number, duration: number): () => number {
  let turn = 0
  return () => (turn++ * duration) / Math.max(1, count)
}
