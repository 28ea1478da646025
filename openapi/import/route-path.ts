import { identifier } from './code.ts'

export interface RoutePath {
  /** As Fastify takes it: `/orders/:id`. */
  url: string
  /** Template of the path to the service: `/orders/${params.id}`, by the code of each parameter. */
  template(codeOf: (name: string) => string): string
  /** Names of parameters: in the document, and in the route. */
  parameters: Map<string, string>
}

/** Characters of a path that neither Fastify's router nor a template literal reads as code (RFC 3986, section 3.3). */
const STATIC = /^[A-Za-z0-9._~!@,;=+%-]*$/

/** Returns the path of a route, or undefined if the router cannot have it. */
export function routePath(path: string): RoutePath | undefined {
  if (!path.startsWith('/')) return undefined
  const parameters = new Map<string, string>()
  const taken = new Set(['__proto__', 'constructor', 'prototype'])
  const segments = path
    .slice(1)
    .split('/')
    .map(segment => {
      const [, name] = /^\{([^{}]+)\}$/.exec(segment) ?? []
      if (name === undefined)
        return STATIC.test(segment) && !/^\.{1,2}$/.test(segment) ? { text: segment } : undefined
      if (parameters.has(name)) return undefined
      const parameter = identifier(name, 'parameter', taken)
      parameters.set(name, parameter)
      return { parameter }
    })
  if (segments.some(segment => segment === undefined)) return undefined
  const known = segments as { text?: string; parameter?: string }[]
  return {
    url: known.map(({ text, parameter }) => `/${parameter === undefined ? text : `:${parameter}`}`).join(''),
    template: codeOf =>
      known
        .map(({ text, parameter }) => `/${parameter === undefined ? text : `\${${codeOf(parameter)}}`}`)
        .join(''),
    parameters
  }
}

/** Returns the path of a server's URL, without a slash at the end. Undefined if it has variables or unusual characters. */
export function basePath(url: unknown): string | undefined {
  if (url === undefined) return ''
  try {
    const { pathname } = new URL(String(url), 'http://service')
    const path = pathname.replace(/\/+$/, '')
    return /[{}]|%7B/i.test(String(url)) || !STATIC.test(path.replaceAll('/', '')) || path.includes('//')
      ? undefined
      : path
  } catch {
    return undefined
  }
}
