import { isSafeTarget, UnsafePath } from '../http/path.ts'

/**
 * Returns a path with its values encoded as single segments or query values: path`/users/${id}/orders?limit=${10}`.
 * @throws UnsafePath if a segment is empty, or if a server could read it as a dot segment (http/path.ts).
 */
export function path(literals: TemplateStringsArray, ...values: (string | number)[]): string {
  let result = literals[0] as string
  values.forEach((value, index) => {
    const encoded = encodeURIComponent(String(value).toWellFormed())
    if (encoded === '' && !result.includes('?')) throw new UnsafePath()
    result += encoded + literals[index + 1]
  })
  if (!isSafeTarget(result)) throw new UnsafePath()
  return result
}
