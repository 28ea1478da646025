import { formatBytes } from '../format.ts'
import type { Body, Message } from '../types.ts'

/** Headers and body of a request or a response. The gateway has masked secrets. */
export function MessageView({ title, of: { headers, body } }: { title: string; of: Message }) {
  return (
    <details class="message" open>
      <summary>{title}</summary>
      {headers.length === 0 && <p class="empty">No headers.</p>}
      <dl class="headers">
        {headers.map(([name, value], i) => (
          <div key={`${i} ${name}`}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {body && <BodyView of={body} />}
    </details>
  )
}

function BodyView({ of: { type, size, isTruncated, text, base64, hidden } }: { of: Body }) {
  return (
    <>
      <p class="muted">
        Body: {type}, {formatBytes(size)}
        {isTruncated && ', only the beginning was recorded'}
        {hidden !== undefined && `, not shown: ${hidden}`}
      </p>
      {(text ?? base64) !== undefined && <pre>{text === undefined ? base64 : indented(text)}</pre>}
    </>
  )
}

function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
