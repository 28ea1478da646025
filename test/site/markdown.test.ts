import { createRequire } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { checkLinks } from '../../site/check-links.ts'
import { DOCS, readSidebars } from '../../site/navigation.ts'

const folder = join(import.meta.dirname, '../../site')
// Not imported by name, because the site has packages of its own, which the type check does not need.
const { createMarkdownRenderer } = await import(
  createRequire(join(folder, 'package.json')).resolve('vitepress')
)
const { configureMarkdown, toAnchor } = await import(join(folder, 'markdown.ts'))
const md = await createMarkdownRenderer(DOCS, {
  attrs: { disable: true },
  anchor: { slugify: toAnchor },
  config: (md: unknown) => configureMarkdown(md, 'https://github.com/acme/sluice')
})
const render = (text: string, page = 'reference/cli.md') => md.render(text, { path: join(DOCS, page) })

t.test('every page of docs is in the sidebar', async t => {
  const items = Object.values(readSidebars()).flatMap(groups => groups.flatMap(({ items = [] }) => items))
  t.ok(items.length > 60, `${items.length} pages`)
  t.ok(items.some(({ text }) => text === '0007 Lease permits from Redis'))
})

t.test('placeholders and templates are text', async t => {
  t.match(
    render('scopes.<NAME> and {{ .Values.name }}'),
    'scopes.&lt;NAME&gt; and &#123;&#123; .Values.name }}'
  )
  t.notMatch(render('```yaml\nname: {{ .Values.name }}\n```'), '{{')
  t.match(render('`{{ name }}` of {id}'), '<code>&#123;&#123; name }}</code> of {id}')
  t.match(render('a<br>b'), 'a<br>b')
  t.match(render('<script>alert(1)</script>'), '&lt;script&gt;')
})

t.test('links to files outside docs and to folders lead to the repository', async t => {
  const links = {
    '../../CHANGELOG.md': 'https://github.com/acme/sluice/blob/main/CHANGELOG.md',
    '../../gateway.ts#L10': 'https://github.com/acme/sluice/blob/main/gateway.ts#L10',
    '../decisions': 'https://github.com/acme/sluice/tree/main/docs/decisions',
    '../limit.md#options': './../limit.html#options',
    'https://example.com': 'https://example.com'
  }
  for (const [link, href] of Object.entries(links)) t.match(render(`[x](${link})`), `href="${href}"`)
  t.throws(
    () => render('[x](../../no-such-file.ts)'),
    /reference\/cli\.md links to \.\.\/\.\.\/no-such-file\.ts/
  )
})

t.test('headings have the anchors of GitHub', async t => {
  t.match(render('## 1. Install'), 'id="1-install"')
  t.match(render('## `sluice check`'), 'id="sluice-check"')
})

t.test('a diagram is drawn without style sheets and needs a title', async t => {
  const svg = render('```mermaid\nflowchart TD\n  accTitle: Two "steps"\n  a --> b\n```')
  t.match(svg, /<figure class="diagram" role="img" tabindex="0" aria-label="Two &quot;steps&quot;"><svg/)
  t.notMatch(svg, /<style|https:/)
  t.throws(() => render('```mermaid\nflowchart TD\n  a --> b\n```'), /add a line "accTitle/)
})

t.test('dead links and anchors of the built site are errors', async t => {
  const good = { 'index.html': '<a href="/base/a.html#one">', 'a.html': '<h2 id="one">' }
  checkLinks(t.testdir(good), '/base/')
  const dead = { ...good, 'b.html': '<a href="/base/c.html"><a href="a.html#two"><a href="/a.html">' }
  t.throws(
    () => checkLinks(t.testdir(dead), '/base/'),
    /b\.html links to \/base\/c\.html\n.*a\.html#two, which has no such heading\n.*\/a\.html$/
  )
})
