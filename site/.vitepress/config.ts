import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitepress'
import { checkLinks } from '../check-links.ts'
import { configureMarkdown, toAnchor } from '../markdown.ts'
import { DOCS, readSidebars } from '../navigation.ts'

const ROOT = join(DOCS, '..')
const { description, repository } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const REPOSITORY = repository.url.replace(/^git\+|\.git$/g, '')
/** Where the site is published, such as `https://example.github.io/sluice/`. Its path is the base of all links. */
const URL_OF_SITE = process.env.DOCS_URL
const icon = `data:image/svg+xml,${encodeURIComponent(readFileSync(join(ROOT, 'admin/dashboard/icon.svg'), 'utf8'))}`

export default defineConfig({
  title: 'Sluice',
  description,
  lang: 'en',
  srcDir: '../docs',
  base: URL_OF_SITE === undefined ? '/' : new URL(URL_OF_SITE).pathname,
  ...(URL_OF_SITE !== undefined && { sitemap: { hostname: URL_OF_SITE } }),
  // URLs of the reader's own machine.
  ignoreDeadLinks: 'localhostLinks',
  head: [['link', { rel: 'icon', href: icon }]],
  markdown: {
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    // Text such as `{id}` is not an attribute of the element before it.
    attrs: { disable: true },
    anchor: { slugify: toAnchor },
    config: md => configureMarkdown(md, REPOSITORY)
  },
  vite: { plugins: [resolveVueFrom(join(import.meta.dirname, 'config.ts'))] },
  transformPageData: ({ relativePath }) => ({ description: descriptionOf(relativePath) }),
  buildEnd: ({ outDir, site }) => checkLinks(outDir, site.base),
  themeConfig: {
    logo: icon,
    nav: [
      { text: 'Start', link: '/start' },
      { text: 'Patterns', link: '/route' },
      { text: 'Run', link: '/deploy' },
      { text: 'Reference', link: '/reference/config' },
      { text: 'Compare', link: '/compare' }
    ],
    sidebar: readSidebars(),
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: REPOSITORY }],
    editLink: { pattern: `${REPOSITORY}/edit/main/docs/:path`, text: 'Edit this page' },
    externalLinkIcon: true,
    notFound: {
      title: 'There is no such page',
      quote: 'It may have moved: search for it, or choose it from the menu.',
      linkText: 'Home'
    }
  }
})

/** Returns the first paragraph of a page as text. */
function descriptionOf(page: string): string {
  if (page === 'index.md' || page === '404.md') return description
  const [, paragraph = ''] = /^# .*\n\n([\s\S]*?)\n\n/m.exec(readFileSync(join(DOCS, page), 'utf8')) ?? []
  return paragraph
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[`*]/g, '')
    .replaceAll('\n', ' ')
}

/** Resolves Vue for the compiled pages, because docs has no node_modules. */
function resolveVueFrom(importer: string): Plugin {
  return {
    name: 'resolve-vue',
    enforce: 'pre',
    resolveId(id) {
      return /^vue(?:$|\/)/.test(id) ? this.resolve(id, importer, { skipSelf: true }) : undefined
    }
  }
}
