import { explain } from '../causes.ts'

/** A cause by its code, as logs and metrics name it, with what it means. */
export function Cause({ code, detail }: { code: string; detail?: string | undefined }) {
  const meaning = explain(code)
  return (
    <>
      <strong class="code">{code}</strong>
      {detail !== undefined && <span class="code"> {detail}</span>}
      {meaning !== undefined && <span class="muted"> – {meaning}</span>}
    </>
  )
}
