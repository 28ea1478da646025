import { randomBytes } from 'node:crypto'

export interface PageOptions {
  title: string
  /** Documents, of which the first is shown first. URLs are relative to the page. */
  documents: { title: string; slug: string; url: string }[]
  /** URL of the script, relative to the page. */
  script: string
  /** Origins besides the page's own to which readers may send requests. */
  origins: readonly string[]
  /** Where readers send requests: `own` to the page's origin, `servers` to those of the documents, `none` nowhere. */
  requests: 'own' | 'servers' | 'none'
}

export interface Page {
  html: string
  /** Value of `Content-Security-Policy`. */
  policy: string
}

/** Switches off what @scalar/api-reference would load from elsewhere or send there. */
const OFFLINE = {
  withDefaultFonts: false,
  telemetry: false,
  proxyUrl: '',
  hideClientButton: true,
  showDeveloperTools: 'never',
  mcp: { disabled: true },
  agent: { disabled: true }
}

/** Returns the page on which people read the documents and try requests. */
export function renderPage({ title, documents, script, origins, requests }: PageOptions): Page {
  // The server / of a document would make //path of a path.
  const servers = requests === 'own' ? '[{ url: location.origin }]' : 'undefined'
  const nonce = randomBytes(16).toString('base64')
  const configuration = {
    ...OFFLINE,
    hideTestRequestButton: requests === 'none',
    sources: documents.map(document => ({ ...document, agent: { disabled: true } }))
  }
  return {
    html: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
</head>
<body>
<div id="app"></div>
<script nonce="${nonce}" src="${escapeHtml(script)}"></script>
<script nonce="${nonce}">Scalar.createApiReference('#app', { ...${toScript(configuration)}, servers: ${servers} })</script>
</body>
</html>
`,
    policy: [
      "default-src 'none'",
      `script-src 'nonce-${nonce}'`,
      // The editor of the script adds style elements without a nonce, whose text varies. They cannot load anything.
      "style-src 'unsafe-inline'",
      "img-src 'self' data:",
      "font-src 'self'",
      ['connect-src', "'self'", ...origins].join(' '),
      "form-action 'none'",
      "base-uri 'none'",
      "frame-ancestors 'none'"
    ].join('; ')
  }
}

/** Returns JSON that cannot end the script element that it is in. */
function toScript(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c')
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
