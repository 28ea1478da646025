import Type from 'typebox'

export function Url(...protocols: string[]) {
  const message = `must be a URL that begins with ${protocols.map(protocol => `${protocol}//`).join(' or ')}`
  return Type.Refine(
    Type.String(),
    value => URL.canParse(value) && protocols.includes(new URL(value).protocol),
    () => message
  )
}

export function TrustedUrl() {
  return Type.Refine(
    Type.String(),
    isTrustedUrl,
    () => 'must be an https:// URL, or an http:// one on loopback'
  )
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** https, or http to this very machine: keys that come over anything else are anybody's. */
export function isTrustedUrl(value: string): boolean {
  if (!URL.canParse(value)) return false
  const { protocol, hostname } = new URL(value)
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname))
}
