import { createRedactor, MASK, type Redactor } from './redact/redactor.ts'
import { maskTokens } from './redact/text.ts'

/**
 * Returns an error as the log shows it, without the data that libraries attach to errors: ioredis adds the command with its
 * arguments (the password of AUTH, the keys of consumers), undici and fetch the URL with its credentials, and JSON.parse the
 * beginning of the text.
 */
export function describeError(error: unknown, redactor: Redactor = defaults): unknown {
  return describe(error, redactor, 0)
}

function describe(error: unknown, redactor: Redactor, depth: number): unknown {
  if (typeof error === 'string') return clean(error, redactor)
  if (!(error instanceof Error))
    return typeof error === 'object' && error !== null ? { type: error.constructor?.name } : error
  const members = error as unknown as Record<string, unknown>
  const description: Record<string, unknown> = {
    type: error.constructor.name,
    message: clean(error.message, redactor)
  }
  if (typeof error.stack === 'string') description.stack = clean(error.stack, redactor)
  for (const name of SAFE) {
    const value = members[name]
    if (typeof value === 'string') description[name] = clean(value, redactor)
    else if (typeof value === 'number') description[name] = value
  }
  if (depth < MAX_DEPTH) {
    if (error.cause !== undefined) description.cause = describe(error.cause, redactor, depth + 1)
    const { errors } = error as Partial<AggregateError>
    if (Array.isArray(errors))
      description.aggregateErrors = errors.slice(0, 10).map(one => describe(one, redactor, depth + 1))
  }
  return description
}

const defaults = createRedactor({ names: [], paths: [] })

/** Members of Node's, undici's and Fastify's errors that name a fault or a peer, and contain no data. */
const SAFE = ['code', 'errno', 'syscall', 'hostname', 'address', 'port', 'statusCode']
const MAX_DEPTH = 3
/** Characters. */
const MAX_TEXT = 8_192

/** Removes credentials, tokens, values of secret names, arguments that Redis repeats and text that JSON.parse quotes. */
function clean(text: string, redactor: Redactor): string {
  return maskTokens(text.slice(0, MAX_TEXT))
    .replace(/[a-z][a-z0-9+.-]*:\/\/[^\s"'<>]+/gi, url => redactor.url(url))
    .replace(/([\w.-]{2,64})=(?:"[^"]*"|[^\s;,&"']+)/g, (pair, name) =>
      redactor.isSecret(name) ? `${name}=${MASK}` : pair
    )
    .replace(/, with args beginning with:.*/g, '')
    .replace(/(Unexpected token .*?), .*? is not valid JSON/gs, 'invalid JSON')
    .replace(/(Last (?:reply|error):).*/g, '$1 [redacted]')
}
