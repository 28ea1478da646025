import type { ComponentChildren } from 'preact'

export type Severity = 'ok' | 'warning' | 'critical' | 'neutral'

/** Shapes beside colours: some operators do not see the difference of the colours. */
const SYMBOLS: Record<Severity, string> = { ok: '✓', warning: '▲', critical: '✖', neutral: '•' }

/** A state in one word, with a colour and a shape. */
export function Badge({ severity, children }: { severity: Severity; children: ComponentChildren }) {
  return (
    <span class={`badge ${severity}`}>
      <span aria-hidden="true">{SYMBOLS[severity]}</span> {children}
    </span>
  )
}
