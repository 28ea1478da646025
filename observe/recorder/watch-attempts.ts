import type { Exchange } from '../../http/exchange.ts'
import type { AttemptListener } from '../../proxy/upstream-attempt.ts'
import type { RecordedAttempt } from './attempts.ts'
import { BodyPrefix } from './bodies.ts'
import type { RecordableResponse } from './response.ts'

/** Attempts of an exchange. Further ones are only counted. */
const MAX_ATTEMPTS = 32

/**
 * Returns a listener that notes attempts in the client's response.
 * @param isWanted true to keep the bodies of an exchange's attempts
 * @param limitOf returns the bytes to keep of a body that starts
 */
export function watchAttempts(
  isWanted: (exchange: Exchange) => boolean,
  limitOf: (exchange: Exchange) => number
): AttemptListener {
  return attempt => {
    // A mirrored request has an exchange of its own.
    const { exchange } = attempt.exchange.reply.request
    const response = exchange.reply.raw as Partial<RecordableResponse>
    if (response.exchange === undefined || exchange.endedAt > 0) return
    response.attempts ??= []
    const { attempts } = response
    if (attempts.length >= MAX_ATTEMPTS) return
    const recorded: RecordedAttempt = { attempt, requestBody: undefined, responseBody: undefined }
    attempts.push(recorded)
    if (!isWanted(exchange)) return
    attempt.onRequestData = chunk => {
      recorded.requestBody ??= new BodyPrefix(limitOf(exchange))
      recorded.requestBody.add(chunk)
    }
    attempt.onResponseData = chunk => {
      recorded.responseBody ??= new BodyPrefix(limitOf(exchange))
      recorded.responseBody.add(chunk)
    }
  }
}
