/** Writes pieces of TypeScript from values of a document, which may contain anything. */

/** Returns a string literal in single quotes. */
export function literal(text: string): string {
  const inner = JSON.stringify(text).slice(1, -1)
  return `'${inner
    .replaceAll('\\"', '"')
    .replaceAll("'", "\\'")
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029')}'`
}

/** Returns the name of a member. `__proto__` is computed, since it would set the prototype. */
export function keyOf(name: string): string {
  if (name === '__proto__') return "['__proto__']"
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : literal(name)
}

/** Returns an object literal, on one line if it is short. */
export function objectOf(members: string[]): string {
  if (members.length === 0) return '{}'
  const line = `{ ${members.join(', ')} }`
  if (line.length <= 80 && !line.includes('\n')) return line
  return `{\n${members.map(indent).join(',\n')}\n}`
}

/** Returns an array literal, on one line if it is short. */
export function listOf(items: string[]): string {
  const line = `[${items.join(', ')}]`
  if (line.length <= 80 && !line.includes('\n')) return line
  return `[\n${items.map(indent).join(',\n')}\n]`
}

export function indent(code: string): string {
  return code.replaceAll(/^(?=[^\n])/gm, '  ')
}

/** Returns a line comment. Text of a document cannot end it. */
export function lineComment(text: string): string {
  return `// ${plain(text)}`
}

/** Returns text on one line, without characters that end a comment or change a terminal's output. */
export function plain(text: string): string {
  return text
    .replaceAll(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+/g, ' ')
    .replaceAll('*/', '* /')
    .slice(0, 200)
}

/** Returns an identifier that begins like `name`, and is not in `taken`. Adds it. */
export function identifier(name: string, fallback: string, taken: Set<string>): string {
  const words = name.split(/[^A-Za-z0-9]+/).filter(word => word !== '')
  const joined = words
    .map((word, i) => (i === 0 ? word : (word[0] as string).toUpperCase() + word.slice(1)))
    .join('')
  const base = /^[A-Za-z]\w*$/.test(joined) ? joined.slice(0, 60) : fallback
  let unique = base
  for (let i = 2; taken.has(unique); i++) unique = `${base}${i}`
  taken.add(unique)
  return unique
}
