import { signal } from '@preact/signals'

/** Epoch milliseconds, updated every second. */
export const now = signal(Date.now())
setInterval(() => {
  now.value = Date.now()
}, 1_000)
