import { computed, type Signal, signal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { ApiError } from './api.ts'
import { now } from './clock.ts'
import { authorized, loadSession } from './session.ts'

/** Data of the gateway with the time when it came, so that old data can be shown as old. */
export interface Resource<T> {
  data?: T
  /** Epoch milliseconds. */
  receivedAt?: number
  /** Milliseconds after which data that is followed is old. Undefined for data that is loaded once. */
  maxAge?: number
  error?: string
}

export type Topic =
  | 'overview'
  | 'upstreams'
  | 'limits'
  | 'versions'
  | 'deploys'
  | 'actions'
  | 'cluster'
  | 'route-rates'

/** Milliseconds: the gateway polls topics every 2 s, and reports each poll even without changes. */
const MAX_AGE = 8_000
const RETRY_MS = 3_000
const LOST_MS = 4_000

const resources = new Map<Topic, Signal<Resource<unknown>>>()
const readers = new Map<Topic, number>()
let source: EventSource | undefined
let isScheduled = false

const disconnectedAt = signal<number | undefined>(undefined)

/**
 * When the connection to the gateway was lost; undefined while it stands. The gateway ends streams from time to time, and the
 * browser connects again; that is not a loss.
 */
export const lostAt = computed(() =>
  disconnectedAt.value !== undefined && now.value - disconnectedAt.value > LOST_MS
    ? disconnectedAt.value
    : undefined
)

export const isStale = ({ receivedAt, maxAge }: Resource<unknown>): boolean =>
  receivedAt !== undefined && maxAge !== undefined && now.value - receivedAt > maxAge

/** Follows a topic of `GET /events` while the component is shown. All topics share one connection. */
export function useTopic<T>(topic: Topic): Resource<T> {
  useEffect(() => {
    readers.set(topic, (readers.get(topic) ?? 0) + 1)
    schedule()
    return () => {
      const left = (readers.get(topic) ?? 1) - 1
      if (left === 0) readers.delete(topic)
      else readers.set(topic, left)
      schedule()
    }
  }, [topic])
  return resourceOf(topic).value as Resource<T>
}

function resourceOf(topic: Topic): Signal<Resource<unknown>> {
  const known = resources.get(topic)
  if (known) return known
  const created = signal<Resource<unknown>>({})
  resources.set(topic, created)
  return created
}

/** Connects once after all components of a page have changed their topics. */
function schedule(): void {
  if (isScheduled) return
  isScheduled = true
  queueMicrotask(() => {
    isScheduled = false
    connect()
  })
}

function connect(): void {
  disconnect()
  // Nobody looks at a hidden page, and the gateway polls nothing while nobody reads.
  if (readers.size === 0 || document.hidden) return
  const opened = new EventSource(`events?topics=${[...readers.keys()].join(',')}`)
  source = opened
  for (const topic of readers.keys())
    opened.addEventListener(topic, ({ data }) => {
      disconnectedAt.value = undefined
      resourceOf(topic).value = { data: JSON.parse(data), receivedAt: Date.now(), maxAge: MAX_AGE }
    })
  opened.addEventListener('poll', ({ data }) => confirm(JSON.parse(data)))
  opened.onerror = () => {
    if (source !== opened) return
    disconnectedAt.value ??= Date.now()
    // An error response closes the source: the session has expired, or there are too many readers.
    if (opened.readyState === EventSource.CLOSED) void retry()
  }
}

/** Marks topics that were polled as current: the gateway sends them again only if they changed. */
function confirm({ failed }: { failed: string[] }): void {
  disconnectedAt.value = undefined
  for (const topic of readers.keys()) {
    const resource = resourceOf(topic)
    const { data, receivedAt } = resource.peek()
    if (failed.includes(topic))
      resource.value = {
        data,
        receivedAt,
        maxAge: MAX_AGE,
        error: 'No worker of the gateway responds. Trying again.'
      } as Resource<unknown>
    else if (data !== undefined) resource.value = { data, receivedAt: Date.now(), maxAge: MAX_AGE }
  }
}

/** Ends the stream before a logout, which would break it. */
export function disconnect(): void {
  source?.close()
  source = undefined
}

async function retry(): Promise<void> {
  await loadSession().catch(() => {})
  setTimeout(schedule, RETRY_MS)
}

document.addEventListener('visibilitychange', schedule)

/** Loads a path while the component is shown: once, or every `interval` ms; and again if `key` changes. */
export function usePath<T>(path: string, interval?: number, key?: unknown): Resource<T> {
  const resource = useMemo(() => signal<Resource<unknown>>({}), [path])
  useEffect(() => {
    const load = () => {
      if (!document.hidden) void loadInto(resource, path, interval)
    }
    load()
    if (interval === undefined) return
    const timer = setInterval(load, interval)
    return () => clearInterval(timer)
  }, [path, interval, key])
  return resource.value as Resource<T>
}

async function loadInto(
  resource: Signal<Resource<unknown>>,
  path: string,
  interval: number | undefined
): Promise<void> {
  try {
    resource.value = {
      data: await authorized('GET', path),
      receivedAt: Date.now(),
      ...(interval !== undefined && { maxAge: interval + MAX_AGE })
    }
  } catch (error) {
    const message = error instanceof ApiError ? error.message : String(error)
    resource.value = { ...resource.value, error: message }
  }
}
