import { Session } from 'node:inspector'

/** Imported into a subject by profile.ts: starts a CPU profile on `start` and sends it on `stop`. */
const session = new Session()
session.connect()
process.on('message', message => {
  if (message === 'start')
    session.post('Profiler.enable', () =>
      session.post('Profiler.setSamplingInterval', { interval: 200 }, () =>
        session.post('Profiler.start', () => process.send?.({ profile: null }))
      )
    )
  if (message === 'stop') session.post('Profiler.stop', (_error, { profile }) => process.send?.({ profile }))
})
