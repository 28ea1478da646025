import { createRedactor } from '../../observe/redact/redactor.ts'
import { isPem } from '../../schemas/options/listen.ts'
import type { Finding, Subject } from './finding.ts'

const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/
/** A token: header and claims begin as an encoded `{"` does. */
const TOKEN = /\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}/
const USERINFO = /\b[a-z][a-z0-9+.-]*:\/\/[^\s/@'"`$]*:[^\s/@'"`$]+@/i
/** Options that take PEM or the path of a file. */
const FILES = new Set(['/listen/tls/cert', '/listen/tls/key'])
/** Characters: what is shorter stands in a file for other reasons too. */
const MIN_SECRET = 6

/**
 * Secrets that are written down in the file of the config: members that hold one and whose value the file has, and
 * whatever in its text looks like one. What comes from the environment is not in the file. Never shows a secret.
 */
export function auditSecrets({ config, file, source }: Subject): Finding[] {
  const { isSecret } = createRedactor({ names: [], paths: [] })
  const text = source.replaceAll('\\n', '\n')
  const found: { path: string; kind: string; secret: string }[] = []

  const look = (path: string, name: string, value: unknown): void => {
    if (typeof value === 'string') {
      const kind = kindOf(path, name, value)
      if (kind !== undefined && value.length >= MIN_SECRET && text.includes(value.trim()))
        found.push({ path, kind, secret: value.trim() })
    } else if (typeof value === 'object' && value !== null)
      for (const [member, inner] of Object.entries(value)) look(`${path}/${member}`, member, inner)
  }
  look('', '', config)

  text.split('\n').forEach((line, i) => {
    const kind = PRIVATE_KEY.test(line)
      ? 'a private key'
      : TOKEN.test(line)
        ? 'a token'
        : USERINFO.test(line)
          ? 'a password in a URL'
          : undefined
    const isKnown = found.some(({ secret }) => line.includes(secret.split('\n', 1)[0] as string))
    if (kind !== undefined && !isKnown) found.push({ path: `${file}:${i + 1}`, kind, secret: '' })
  })

  return found.map(({ path, kind }) => ({
    code: 'secret-in-config',
    severity: 'error',
    path,
    why: `The file has ${kind} in it, and so has whoever reads the repository.`,
    mend: 'Take it from the environment (see `environment` in the config), and have a new one issued.'
  }))

  function kindOf(path: string, name: string, value: string): string | undefined {
    if (PRIVATE_KEY.test(value)) return 'a private key'
    if (TOKEN.test(value)) return 'a token'
    if (USERINFO.test(value)) return 'a password in a URL'
    if (!isSecret(name) || isPem(value) || FILES.has(path)) return undefined
    return `the value of ${name}`
  }
}
