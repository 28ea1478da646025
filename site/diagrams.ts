import { renderMermaidSVG } from 'beautiful-mermaid'

/**
 * Renders a Mermaid diagram as SVG. Its colors are variables, which the theme sets for light and dark.
 * @param page for errors
 * @throws without `accTitle`, the title for screen readers
 */
export function renderDiagram(source: string, page: string): string {
  const [line, title] = /^ *accTitle: *(.+)\n/m.exec(source) ?? []
  if (line === undefined || title === undefined)
    throw new Error(`${page}: a diagram has no title; add a line "accTitle: …" below its first line`)
  const svg = renderMermaidSVG(source.replace(line, ''), { font: 'Inter', padding: 4 })
    // The style sheet loads a font from another host; the theme has the font and the colors.
    .replace(/<style>[\s\S]*?<\/style>/, '')
    .replace(/ style="[^"]*"/, '')
  return `<figure class="diagram" role="img" tabindex="0" aria-label="${title.replaceAll('"', '&quot;')}">${svg}</figure>\n`
}
