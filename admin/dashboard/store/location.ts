import { computed, signal } from '@preact/signals'

/**
 * The page and its parameters are in the hash (`#/upstreams?name=orders`), because the server knows one page only, and
 * because queries are in the logs of proxies.
 */

const hash = signal(location.hash)
window.addEventListener('hashchange', () => {
  hash.value = location.hash
})

/** `upstreams` of `#/upstreams?name=orders`. */
export const page = computed(() => split(hash.value).page)
/** `name=orders` of `#/upstreams?name=orders`. */
export const query = computed(() => new URLSearchParams(split(hash.value).query))

/** Returns the `href` of a page. Parameters without a value are left out. */
export function hrefOf(page: string, parameters: Record<string, string | undefined> = {}): string {
  const given = Object.entries(parameters).filter(([, value]) => value)
  const query = new URLSearchParams(given as [string, string][]).toString()
  return `#/${page}${query && `?${query}`}`
}

/** Changes parameters of the page without a new entry in the browser's history. */
export function setQuery(changes: Record<string, string | undefined>): void {
  const next = { ...Object.fromEntries(query.value), ...changes }
  history.replaceState(null, '', hrefOf(page.value, next))
  hash.value = location.hash
}

function split(hash: string): { page: string; query: string } {
  const [page = '', query = ''] = hash.replace(/^#?\/?/, '').split('?', 2)
  return { page, query }
}
