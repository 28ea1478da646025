/** The same for all values. With a keyed hash, a client that can read the recorder could check its guesses. */
export const MASK = '[redacted]'
