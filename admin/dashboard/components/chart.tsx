import { signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { formatClock, formatTime } from '../format.ts'

export interface Series {
  label: string
  values: (number | null)[]
}

export interface ChartProps {
  title: string
  /** Epoch ms. */
  times: number[]
  series: Series[]
  /** Lowest end of the axis, so that small values do not look large. */
  atLeast: number
  format(value: number | null | undefined): string
}

/** Lines differ by dashes too, not by colour alone. */
const DASHES = [[], [6, 3], [2, 3]]
const HEIGHT = 150

const darkQuery = matchMedia('(prefers-color-scheme: dark)')
const isDark = signal(darkQuery.matches)
darkQuery.addEventListener('change', () => {
  isDark.value = darkQuery.matches
})

/** Lines over time, drawn on a canvas; its caption has the latest and the highest values as text. */
export function Chart({ title, times, series, atLeast, format }: ChartProps) {
  const container = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(null)
  const labels = series.map(({ label }) => label).join()

  useEffect(() => {
    const element = container.current as HTMLDivElement
    const created = new uPlot(optionsOf(element, series, atLeast, format), [[]], element)
    plot.current = created
    const observer = new ResizeObserver(() => created.setSize({ width: element.clientWidth, height: HEIGHT }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      created.destroy()
    }
  }, [labels, isDark.value])

  useEffect(() => {
    plot.current?.setData([times.map(time => time / 1_000), ...series.map(({ values }) => values)])
  }, [times, series, labels, isDark.value])

  return (
    <figure class="chart">
      <figcaption>
        <strong>{title}</strong>
        {series.map(({ label, values }, i) => (
          <span key={label}>
            <span class={`line line-${i + 1}`} /> {describe(label, values, format)}
          </span>
        ))}
      </figcaption>
      <div ref={container} aria-hidden="true" />
    </figure>
  )
}

function describe(label: string, values: (number | null)[], format: ChartProps['format']): string {
  const known = values.filter(value => value !== null)
  const highest = known.length === 0 ? undefined : known.reduce((most, value) => Math.max(most, value))
  return `${label} now ${format(values.at(-1))}, highest ${format(highest)}`
}

function optionsOf(
  element: HTMLElement,
  series: Series[],
  atLeast: number,
  format: ChartProps['format']
): uPlot.Options {
  const style = getComputedStyle(element)
  const color = (name: string) => style.getPropertyValue(name)
  const axis = {
    stroke: style.color,
    font: '12px system-ui',
    grid: { stroke: color('--grid'), width: 1 },
    ticks: { stroke: color('--grid'), width: 1 }
  }
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    scales: { y: { range: (_plot, _low, high) => [0, Math.max(high * 1.1, atLeast)] } },
    axes: [
      { ...axis, values: (_plot, ticks) => clocksOf(ticks) },
      { ...axis, size: 64, values: (_plot, ticks) => ticks.map(tick => format(tick)) }
    ],
    series: [
      {},
      ...series.map(({ label }, i) => ({
        label,
        stroke: color(`--line-${i + 1}`),
        width: 1.5,
        dash: DASHES[i % DASHES.length] as number[],
        points: { show: false }
      }))
    ]
  }
}

/** Seconds of a range whose times would be alike without seconds. */
const SHORT_RANGE = 600

/** @param ticks epoch seconds */
function clocksOf(ticks: number[]): string[] {
  const isShort = (ticks.at(-1) ?? 0) - (ticks[0] ?? 0) < SHORT_RANGE
  return ticks.map(tick => (isShort ? formatTime(tick * 1_000, tick * 1_000) : formatClock(tick * 1_000)))
}
