import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { ServiceTime } from './service-time.ts'

/**
 * Creates the stream of a response's body, which is read from the service as fast as its reader takes it.
 * @param onDestroy called when the stream is destroyed, as when the client disconnects
 */
export function createResponseStream(
  controller: Dispatcher.DispatchController,
  serviceTime: ServiceTime,
  onDestroy: (error: Error | null) => void
): Readable {
  return new Readable({
    read() {
      serviceTime.resume()
      controller.resume()
    },
    destroy(error, done) {
      onDestroy(error)
      done(error)
    }
  })
}
