import { existsSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { MarkdownRenderer } from 'vitepress'
import { renderDiagram } from './diagrams.ts'
import { DOCS } from './navigation.ts'

const ROOT = join(DOCS, '..')
/** Elements that pages may contain, as on GitHub. Other tags, such as a placeholder `<NAME>`, are text. */
const ALLOWED_HTML = /^<(?:!--|\/?(?:br|details|div|img|kbd|p|picture|source|sub|summary|sup)\b)/i

/** Makes pages look as on GitHub, although VitePress compiles them as Vue templates. */
export function configureMarkdown(md: MarkdownRenderer, repository: string): void {
  md.core.ruler.push('repository_links', ({ tokens, env }) => {
    for (const token of tokens.flatMap(token => token.children ?? [])) {
      const href = token.type === 'link_open' && token.attrGet('href')
      if (href) token.attrSet('href', toRepository(href, env.path, repository))
    }
  })

  for (const rule of ['html_inline', 'html_block'] as const) {
    const render = md.renderer.rules[rule]
    md.renderer.rules[rule] = (tokens, i, ...rest) => {
      const { content = '' } = tokens[i] ?? {}
      if (!ALLOWED_HTML.test(content)) return md.utils.escapeHtml(content)
      return render ? render(tokens, i, ...rest) : content
    }
  }

  const renderFence = md.renderer.rules.fence
  md.renderer.rules.fence = (tokens, i, options, env, self) => {
    const token = tokens[i]
    if (token?.info.trim() === 'mermaid') return renderDiagram(token.content, relative(ROOT, env.path))
    return renderFence?.(tokens, i, options, env, self) ?? ''
  }

  // Vue would evaluate the braces of templates for Helm, Prometheus and Grafana.
  const render = md.render.bind(md)
  md.render = (source, env) => render(source, env).replaceAll('{{', '&#123;&#123;')
}

/** Returns the anchor that GitHub makes of a heading. */
export function toAnchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-')
}

/**
 * Returns the URL in the repository for a file outside docs and for a folder; other links stay.
 * @throws if there is no such file
 */
function toRepository(href: string, page: string, repository: string): string {
  if (/^(?:\w+:|#|\/)/.test(href)) return href
  const [path = '', anchor] = href.split('#')
  const target = join(dirname(page), path)
  const isPage = !relative(DOCS, target).startsWith('..') && path.endsWith('.md')
  if (isPage) return href
  if (!existsSync(target)) throw new Error(`${relative(ROOT, page)} links to ${href}, which does not exist`)
  const kind = statSync(target).isDirectory() ? 'tree' : 'blob'
  return `${repository}/${kind}/main/${relative(ROOT, target)}${anchor ? `#${anchor}` : ''}`
}
