/** Returns the documents for the page: all versions first, then each. @param folder with a slash at the end, or empty */
export function documentLinks(versions: readonly string[], folder: string) {
  return [
    { title: versions.length > 0 ? 'All versions' : 'API', slug: 'all', url: `${folder}openapi.json` },
    ...versions.map(name => ({
      title: name,
      slug: name,
      url: `${folder}openapi/${encodeURIComponent(name)}.json`
    }))
  ]
}
