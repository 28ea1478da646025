import type { ReceivedSpan, Value } from './collector.ts'

/** A span with its children, without ids and times. */
export interface SpanNode {
  name: string
  kind: string
  isError?: true
  attributes: Record<string, Value>
  /** Names of the linked spans. */
  links?: string[]
  children?: SpanNode[]
}

/**
 * Returns the spans as trees, children in the order of their start.
 * @param toText replaces what differs in each run, such as ports
 */
export function toTrees(spans: ReceivedSpan[], toText: (value: Value) => Value): SpanNode[] {
  const byId = new Map(spans.map(span => [span.spanId, span]))
  const below = (parent: (span: ReceivedSpan) => boolean): SpanNode[] =>
    spans
      .filter(parent)
      .sort((a, b) => Number(a.start - b.start) || a.name.localeCompare(b.name))
      .map(toNode)
  return below(({ parentSpanId }) => !byId.has(parentSpanId))

  function toNode({ spanId, name, kind, isError, attributes, links }: ReceivedSpan): SpanNode {
    const entries = Object.entries(attributes).sort(([a], [b]) => a.localeCompare(b))
    const children = below(({ parentSpanId }) => parentSpanId === spanId)
    return {
      name,
      kind,
      ...(isError && { isError }),
      attributes: Object.fromEntries(entries.map(([key, value]) => [key, toText(value)])),
      ...(links.length > 0 && { links: links.map(link => byId.get(link.spanId)?.name ?? 'unknown') }),
      ...(children.length > 0 && { children })
    }
  }
}
