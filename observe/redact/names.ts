/**
 * Names of secrets. A name is compared in two forms: `norm`, lower case without separators, and its words, so that
 * `apiKey`, `API-KEY`, `api key` and `apikey` are one name and `monkey`, `author` and `compass` are not secrets.
 */

/** Anywhere in `norm`. */
const ANYWHERE =
  /authori[sz]ation|authheader|cookie|token|secret|passw(or)?[dt]|passphrase|passcode|pswd|pwd|apikey|accesskey|privatekey|signature|credential|session|sessid|jwt|assertion|codeverifier|cvv|csrf|xsrf|hmac|samlresponse|cardnumber/
/** As a whole name. */
const WHOLE = new Set(['authentication', 'code', 'key', 'ssn'])
/** As the last word. */
const LAST = new Set([
  'auth',
  'bearer',
  'cred',
  'creds',
  'cvc',
  'hotp',
  'key',
  'otp',
  'pass',
  'pin',
  'pw',
  'sid',
  'sig',
  'ticket',
  'totp',
  'verifier'
])
/** At the end of `norm`: written without a separator, as `hmackey` and `dbpass`. */
const END = /(auth|otp|sid|cvc2?|creds)$/
const KEY = /keys?$/
const PASS = /pass$/
const TICKET = /[a-z\d]ticket$/
/** Words that only end like a secret. */
const OTHER_KEY =
  /(^|[^a-z])(mon|don|tur|hoc|joc|whis|lac|flun|smo|mic|ric|dic|tro|pol|po|ho|co|cho|jo|dor|off|hus|ris|tac|wac|stic|luc|roc|qui|trac|pac|cra)keys?$/
const OTHER_PASS = /(com|by|tres|sur|under|over|im|encom)pass$/
/** Codes that authenticate, unlike `countryCode`. */
const CODE =
  /(auth|authori[sz]ation|otp|verification|sms|security|reset|device|user|backup|recovery|confirmation|activation|access|mfa|2fa|tfa|login|time|pin)codes?$/

/** `pass1` and `pass2` of a form that asks twice. */
const NUMBERED = /^(pass|pw|sid|otp|pin)\d+$/
const SHORTEST = 2

/** True for a name of something that authenticates, in any spelling. */
export function isSecretName(name: string): boolean {
  if (name.length < SHORTEST) return false
  const words = wordsOf(name)
  while (words.length > 1 && DIGITS.test(words.at(-1) as string)) words.pop()
  const norm = words.join('')
  if (norm.length < SHORTEST) return false
  if (ANYWHERE.test(norm) || WHOLE.has(norm) || CODE.test(norm)) return true
  const last = words.at(-1) as string
  if (LAST.has(last) || NUMBERED.test(last)) return true
  if (words.some(word => word === 'otp' || word === 'totp')) return true
  if (END.test(last)) return true
  // A key set is public.
  if (KEY.test(last)) return norm !== 'keys' && !OTHER_KEY.test(last)
  if (PASS.test(last)) return !OTHER_PASS.test(last)
  return TICKET.test(last)
}

const PLAIN = /^[a-z\d]+$/
const DIGITS = /^\d+$/

/** Takes time linear in the length. */
function wordsOf(name: string): string[] {
  if (PLAIN.test(name)) return [name]
  return name
    .normalize('NFKC')
    .replace(/(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, ' ')
    .toLowerCase()
    .split(/[^a-z\d]+/)
    .filter(Boolean)
}
