import { Session } from 'node:inspector'

/** Loaded into a subject by bench/where.ts: profiles between `start` and `stop`, and says what it saw. */
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
