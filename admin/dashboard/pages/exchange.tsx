import { Cause } from '../components/cause.tsx'
import { CopyText } from '../components/copy-text.tsx'
import { ExchangeStatus } from '../components/exchange-status.tsx'
import { Facts } from '../components/facts.tsx'
import { Loaded } from '../components/loaded.tsx'
import { MessageView } from '../components/message.tsx'
import { Time } from '../components/time.tsx'
import { Waterfall } from '../components/waterfall.tsx'
import { curlOf } from '../curl.ts'
import { formatBytes, formatDuration } from '../format.ts'
import { usePath } from '../store/live.ts'
import { hrefOf, query } from '../store/location.ts'
import type { Attempt, Detail } from '../types.ts'
import { StartCapture } from './start-capture.tsx'

/** Shows one exchange: why it failed, where its time went, and what was sent. */
export function ExchangePage({ id }: { id: string }) {
  const { id: _, ...filters } = Object.fromEntries(query.value)
  return (
    <>
      <p>
        <a href={hrefOf('exchanges', filters)}>Back to the list</a>
      </p>
      <Loaded of={usePath<Detail>(`exchanges/${encodeURIComponent(id)}`)}>
        {detail => (
          <ExchangeView
            of={detail}
            har={{ href: `exchanges/${encodeURIComponent(detail.id)}.har`, name: `${detail.id}.har` }}
          />
        )}
      </Loaded>
    </>
  )
}

interface ViewProps {
  of: Detail
  /** File that has this exchange. */
  har: { href: string; name: string }
}

export function ExchangeView({ of: detail, har }: ViewProps) {
  const { method, url, cause, causeDetail, endpoint, upstream, consumer, route, scope, requestId } = detail
  return (
    <>
      <h2 class="code">
        {method} {url}
      </h2>
      {cause !== undefined && (
        <p class="error">
          <Cause code={cause} detail={causeDetail} />
          {endpoint !== undefined && (
            <>
              {' '}
              Endpoint <span class="code">{endpoint}</span>
            </>
          )}
          {upstream !== undefined && (
            <>
              {' '}
              of upstream <a href={hrefOf('upstreams', { name: upstream })}>{upstream}</a>
            </>
          )}
        </p>
      )}
      <Facts
        of={[
          ['Status', <ExchangeStatus of={detail} />],
          ['Duration', formatDuration(detail.durationMs)],
          ['Time', <Time at={detail.at} />],
          ['Consumer', consumer ? <a href={hrefOf('exchanges', { consumer })}>{consumer}</a> : '–'],
          ['Client', detail.clientAddress ?? '–'],
          ['Scope', scope ? <a href={hrefOf('scopes', { scope })}>{scope}</a> : '–'],
          ['Route', <span class="code">{route ?? '–'}</span>],
          ['Upstream', upstream ? <a href={hrefOf('upstreams', { name: upstream })}>{upstream}</a> : '–'],
          ['Endpoint', <span class="code">{endpoint ?? '–'}</span>],
          ['Received', formatBytes(detail.bytesReceived)],
          ['Sent', formatBytes(detail.bytesSent)],
          ['Request id', <span class="code">{requestId}</span>],
          [
            'Trace',
            <a class="code" href={hrefOf('exchanges', { trace: detail.trace })}>
              {detail.trace}
            </a>
          ]
        ]}
      />
      <h2>Where the time went</h2>
      <Waterfall of={detail} />
      <p class="buttons">
        <a href={har.href} download={har.name}>
          Download HAR
        </a>
        {consumer && <StartCapture label={`Capture consumer ${consumer}`} consumer={consumer} />}
        {route && <StartCapture label={`Capture route ${route}`} route={route} />}
      </p>
      <CopyText label="Copy as curl" text={curlOf(detail, location.protocol)} />
      <MessageView title="Request" of={detail.request} />
      <MessageView title={`Response ${detail.status} ${detail.response.statusText}`} of={detail.response} />
      {detail.upstreamAttempts
        ?.filter(({ request }) => request)
        .map(attempt => (
          <AttemptView key={`${attempt.startMs} ${attempt.endpoint}`} of={attempt} />
        ))}
    </>
  )
}

/** Present in captures of upstream calls. */
function AttemptView({ of: { endpoint, method, path, status, request, response } }: { of: Attempt }) {
  return (
    <>
      {request && <MessageView title={`Sent to ${endpoint}: ${method} ${path}`} of={request} />}
      {response && <MessageView title={`Response ${status} of ${endpoint}`} of={response} />}
    </>
  )
}
