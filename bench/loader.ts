import { type LoadOptions, loadAlways } from './load.ts'
import type { Subject } from './subjects.ts'

/** A process that loads one gateway until it is ended, and says how many answers there were when it is asked. */
export interface LoaderTask extends Pick<LoadOptions, 'connections'> {
  subject: Subject
  url: string
}

let counts = { answered: 0, strange: 0 }
process.on('message', (task: LoaderTask | 'count') => {
  if (task === 'count') process.send?.(counts)
  else counts = loadAlways(task.subject, task.url, task.connections)
})
process.send?.({ port: 0 })
