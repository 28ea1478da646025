import { parseAccept } from './accept.ts'

/** The content coding to use for a client. `isRequired`: the client does not accept the plain response. */
export interface ChosenEncoding<Encoding extends string> {
  encoding: Encoding
  isRequired: boolean
}

/**
 * Returns the one of `encodings`, by preference, that `Accept-Encoding` weighs most (RFC 9110, 12.5.3). Undefined if no
 * encoding is acceptable, or if the client prefers none: `identity;q=1, gzip;q=0.5`.
 */
export function chooseEncoding<Encoding extends string>(
  header: string | string[] | undefined,
  encodings: readonly Encoding[]
): ChosenEncoding<Encoding> | undefined {
  if (header === undefined || header === '') return undefined
  const weights = new Map<string, number>()
  for (const { type, weight } of parseAccept(String(header))) {
    // RFC 9110, 8.4.1.3.
    const name = type === 'x-gzip' ? 'gzip' : type
    weights.set(name, Math.max(weight, weights.get(name) ?? 0))
  }
  const others = weights.get('*')
  let chosen: Encoding | undefined
  let most = 0
  for (const encoding of encodings) {
    const weight = weights.get(encoding) ?? others ?? 0
    if (weight <= most) continue
    most = weight
    chosen = encoding
  }
  const identity = weights.get('identity')
  if (chosen === undefined || (identity !== undefined && identity > most)) return undefined
  return { encoding: chosen, isRequired: (identity ?? others ?? 1) === 0 }
}
