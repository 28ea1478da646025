import { createRedactor } from '../../observe/redact/redactor.ts'
import { isPem } from '../../schemas/options/listen.ts'
import type { AuditInput, Finding } from './finding.ts'

const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/
/** A JWT: its encoded header and claims begin with `{"`. */
const TOKEN = /\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}/
const USERINFO = /\b[a-z][a-z0-9+.-]*:\/\/[^\s/@'"`$]*:[^\s/@'"`$]+@/i
/** Options that take PEM or the path of a file. */
const FILES = new Set(['/listen/tls/cert', '/listen/tls/key'])
/** Characters. Shorter values may be in the file for other reasons. */
const MIN_SECRET = 6

/**
 * Finds secrets in the text of the config file: values of secret options that the text contains, and text that looks like a
 * secret. Values from the environment are not in the file. Findings do not show the secret.
 */
export function auditSecrets({ config, file, source }: AuditInput): Finding[] {
  const { isSecret } = createRedactor({ names: [], paths: [] })
  const text = source.replaceAll('\\n', '\n')
  const found: { path: string; kind: string; secret: string }[] = []

  const search = (path: string, name: string, value: unknown): void => {
    if (typeof value === 'string') {
      const kind = kindOf(path, name, value)
      if (kind !== undefined && value.length >= MIN_SECRET && text.includes(value.trim()))
        found.push({ path, kind, secret: value.trim() })
    } else if (typeof value === 'object' && value !== null)
      for (const [member, inner] of Object.entries(value)) search(`${path}/${member}`, member, inner)
  }
  search('', '', config)

  text.split('\n').forEach((line, i) => {
    const kind = kindOfText(line)
    const isKnown = found.some(({ secret }) => line.includes(secret.split('\n', 1)[0] as string))
    if (kind !== undefined && !isKnown) found.push({ path: `${file}:${i + 1}`, kind, secret: '' })
  })

  return found.map(({ path, kind }) => ({
    code: 'secret-in-config',
    severity: 'error',
    path,
    why: `The file contains ${kind}, which everybody with access to the repository can read.`,
    fix: 'Read it from the environment (see `environment` in the config), and replace the exposed one.'
  }))

  function kindOf(path: string, name: string, value: string): string | undefined {
    const kind = kindOfText(value)
    if (kind !== undefined) return kind
    if (!isSecret(name) || isPem(value) || FILES.has(path)) return undefined
    return `the value of ${name}`
  }
}

function kindOfText(text: string): string | undefined {
  if (PRIVATE_KEY.test(text)) return 'a private key'
  if (TOKEN.test(text)) return 'a token'
  return USERINFO.test(text) ? 'a password in a URL' : undefined
}
