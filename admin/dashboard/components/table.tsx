import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

export interface Column<Row> {
  head: string
  cell(row: Row): ComponentChildren
  /** Explains the column when it is pointed at. */
  title?: string
  /** Right-aligned with digits of equal width. */
  isNumber?: boolean
}

export interface TableProps<Row> {
  /** Name for screen readers. */
  label: string
  columns: Column<Row>[]
  rows: Row[]
  keyOf(row: Row): string
  /** Shown instead of an empty table. */
  empty: string
  /** Row that a link leads to: scrolled to, marked and focused. */
  selected?: string | null
}

/** A table; on a phone each row becomes a list of `head: cell`. The first column names the row. */
export function Table<Row>({ label, columns, rows, keyOf, empty, selected }: TableProps<Row>) {
  const target = useRef<HTMLTableRowElement>(null)
  const isFound = rows.some(row => keyOf(row) === selected)
  useEffect(() => {
    target.current?.scrollIntoView({ block: 'center' })
    target.current?.focus({ preventScroll: true })
  }, [selected, isFound])
  if (rows.length === 0) return <p class="empty">{empty}</p>
  return (
    <table aria-label={label}>
      <thead>
        <tr>
          {columns.map(({ head, title, isNumber }) => (
            <th key={head} scope="col" title={title} class={isNumber ? 'number' : undefined}>
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(row => {
          const key = keyOf(row)
          const isSelected = key === selected
          return (
            <tr
              key={key}
              class={isSelected ? 'selected' : undefined}
              {...(isSelected && { ref: target, tabIndex: -1 })}
            >
              {columns.map(({ head, cell, isNumber }, i) => {
                const properties = { key: head, 'data-head': head, class: isNumber ? 'number' : undefined }
                return i === 0 ? (
                  <th scope="row" {...properties}>
                    {cell(row)}
                  </th>
                ) : (
                  <td {...properties}>{cell(row)}</td>
                )
              })}
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}
