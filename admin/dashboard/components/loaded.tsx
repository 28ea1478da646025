import type { ComponentChildren } from 'preact'
import { isStale, type Resource } from '../store/live.ts'
import { Time } from './time.tsx'

/** Shows data of the gateway, or that it loads, failed to load, or is old. */
export function Loaded<T>({ of, children }: { of: Resource<T>; children: (data: T) => ComponentChildren }) {
  const { data, error, receivedAt } = of
  return (
    <>
      {error !== undefined && <ErrorText>{error}</ErrorText>}
      {data === undefined && error === undefined && <p role="status">Loading …</p>}
      {data !== undefined && (
        <div class={isStale(of) ? 'stale' : undefined}>
          {isStale(of) && (
            <p class="stale-note">
              Old data, from <Time at={receivedAt} />
            </p>
          )}
          {children(data)}
        </div>
      )}
    </>
  )
}

/** An error that appears after the page, so that screen readers say it. */
export function ErrorText({ children }: { children: ComponentChildren }) {
  return (
    <p class="error" role="alert">
      {children}
    </p>
  )
}
