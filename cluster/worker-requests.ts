import createError from '@fastify/error'
import type { FastifyReply } from 'fastify'
import type { ProblemError } from '../http/problem.ts'
import type { Cluster, ClusterWorker } from './cluster-types.ts'
import { readBody, requestWorker } from './worker-client.ts'

/** What one worker's admin side has answered. */
export interface Answer {
  worker: ClusterWorker
  status: number
  body: Buffer
}

export interface Question {
  method?: 'GET' | 'POST' | 'DELETE'
  headers?: Record<string, string>
  body?: string
  /** Milliseconds for all of the answer. */
  timeout?: number
}

export const NoAnswer = createError('SLUICE_WORKERS_SILENT', 'No worker answers', 503, Error, false)

/** Milliseconds. */
const TIMEOUT = 1_000

/** @throws whatever keeps it from being answered in time. */
export async function ask(worker: ClusterWorker, path: string, question: Question = {}): Promise<Answer> {
  const { method = 'GET', headers, body, timeout = TIMEOUT } = question
  const signal = AbortSignal.timeout(timeout)
  const response = await requestWorker(worker, path, {
    method,
    ...(headers && { headers }),
    ...(body !== undefined && { body }),
    signal
  })
  return { worker, status: response.statusCode as number, body: await readBody(response) }
}

/**
 * Asks one ready worker for a stream and leaves it again. All workers refuse a wrong query for the same reason, and
 * once their common stream has begun it is too late for a 400.
 * @throws the worker's problem if it answers 400.
 */
export async function probeStream(cluster: Cluster, path: string): Promise<void> {
  const worker = cluster.workers().findLast(({ state }) => state === 'ready')
  if (worker === undefined) return
  const signal = AbortSignal.timeout(TIMEOUT)
  const response = await requestWorker(worker, path, { signal }).catch(() => undefined)
  // The stream starts without a worker that does not answer.
  if (response === undefined) return
  try {
    if (response.statusCode === 400) throw toProblem({ worker, status: 400, body: await readBody(response) })
  } finally {
    response.on('error', () => {}).destroy()
  }
}

/**
 * The same of all workers, or of some; the oldest first. Those that do not answer are left out, and named in the header
 * `Sluice-Missing` unless they have ended meanwhile.
 * @throws 503 if none answers.
 */
export async function askAll(
  cluster: Cluster,
  reply: FastifyReply,
  path: string | ((worker: ClusterWorker) => string | undefined),
  question?: Question
): Promise<Answer[]> {
  const asked = cluster.workers().flatMap(worker => {
    const of = typeof path === 'string' ? path : path(worker)
    return worker.state === 'starting' || of === undefined ? [] : [{ worker, of }]
  })
  const settled = await Promise.allSettled(asked.map(({ worker, of }) => ask(worker, of, question)))
  const answers = settled.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []))
  const left = new Set(cluster.workers().map(({ id }) => id))
  const missing = asked.filter(({ worker }, i) => settled[i]?.status === 'rejected' && left.has(worker.id))
  nameMissing(
    reply,
    missing.map(({ worker }) => worker)
  )
  if (answers.length === 0 && asked.length > 0) throw new NoAnswer()
  return answers
}

export function nameMissing(reply: FastifyReply, missing: ClusterWorker[]): void {
  if (missing.length > 0) reply.header('sluice-missing', missing.map(({ id }) => `"worker ${id}"`).join(', '))
}

/** Those that succeeded. @throws what one of them says, if none has. */
export function successes(answers: Answer[]): Answer[] {
  const good = answers.filter(({ status }) => status < 300)
  const [first] = answers
  if (good.length === 0 && first !== undefined) throw toProblem(first)
  return good
}

export function read<Type>({ body }: Answer): Type {
  return JSON.parse(body.toString())
}

/** A problem of a worker's as one's own. */
export function toProblem(answer: Answer): ProblemError {
  const problem = read<{ title: string }>(answer)
  return Object.assign(new Error(problem.title), { statusCode: answer.status, problem }) as never
}
