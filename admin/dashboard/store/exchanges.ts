import { type Signal, signal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import type { Summary } from '../types.ts'
import { authorized, loadSession } from './session.ts'

export interface ExchangeList {
  /** Latest first. */
  shown: Summary[]
  /** Exchanges since the list was paused. */
  waiting: number
  /** Exchanges that the gateway left out, because there were too many. */
  missed: number
  isLoading: boolean
  /** False while the stream is broken. */
  isLive: boolean
  error?: string
}

const MAX_SHOWN = 1_000
/** Milliseconds between two changes of the list, so that it can be read and the browser keeps up. */
const INTERVAL = 500
const EMPTY: ExchangeList = { shown: [], waiting: 0, missed: 0, isLoading: true, isLive: false }

/**
 * Lists recorded exchanges and follows new ones.
 * @param filter query of `GET /exchanges`
 */
export function useExchanges(filter: string, isPaused: boolean): ExchangeList {
  const list = useMemo(() => signal(EMPTY), [filter])
  const paused = useMemo(() => ({ value: isPaused }), [filter])
  paused.value = isPaused
  useEffect(() => follow(list, filter, paused), [filter])
  return list.value
}

function follow(list: Signal<ExchangeList>, filter: string, paused: { value: boolean }): () => void {
  let arrived: Summary[] = []
  const change = (changes: Partial<ExchangeList>) => {
    list.value = { ...list.peek(), ...changes }
  }

  authorized<Summary[]>('GET', `exchanges?${filter}${filter && '&'}limit=${MAX_SHOWN}`).then(
    found => change({ shown: merge(found, list.peek().shown), isLoading: false }),
    ({ message }) => change({ error: message, isLoading: false })
  )
  const source = new EventSource(`exchanges/live?${filter}`)
  source.onopen = () => change({ isLive: true })
  source.onerror = () => {
    change({ isLive: false })
    if (source.readyState === EventSource.CLOSED) void loadSession().catch(() => {})
  }
  source.onmessage = ({ data }) => {
    const entry = JSON.parse(data)
    if (typeof entry.missed === 'number') change({ missed: list.peek().missed + entry.missed })
    // Only the latest can be shown.
    else arrived = [entry, ...arrived].slice(0, MAX_SHOWN)
  }
  const timer = setInterval(() => {
    if (paused.value) {
      if (arrived.length !== list.peek().waiting) change({ waiting: arrived.length })
    } else if (arrived.length > 0) {
      change({ shown: merge(arrived, list.peek().shown), waiting: 0 })
      arrived = []
    }
  }, INTERVAL)
  return () => {
    clearInterval(timer)
    source.close()
  }
}

function merge(newer: Summary[], older: Summary[]): Summary[] {
  const known = new Set(newer.map(({ id }) => id))
  return [...newer, ...older.filter(({ id }) => !known.has(id))].slice(0, MAX_SHOWN)
}
