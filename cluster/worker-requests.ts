import type { FastifyReply } from 'fastify'
import { createProblem, type ProblemError } from '../http/problem.ts'
import type { Cluster, ClusterWorker } from './cluster-types.ts'
import { readBody, requestWorker } from './worker-client.ts'

/** Response of one worker's admin API. */
export interface WorkerResponse {
  worker: ClusterWorker
  status: number
  body: Buffer
}

export interface WorkerRequestOptions {
  method?: 'GET' | 'POST' | 'DELETE'
  headers?: Record<string, string>
  body?: string
  /** ms for the whole response. Default: 1,000. */
  timeout?: number
}

export const NoResponse = createProblem('SLUICE_WORKERS_SILENT', 'No worker responds', 503)

/** Where the header with the workers that did not respond goes. */
export type Missing = Pick<FastifyReply, 'header'>

/** ms. */
const TIMEOUT = 1_000

/** @throws if the worker does not respond in time */
export async function ask(
  worker: ClusterWorker,
  path: string,
  options: WorkerRequestOptions = {}
): Promise<WorkerResponse> {
  const { method = 'GET', headers, body, timeout = TIMEOUT } = options
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
 * Requests a stream from one ready worker and closes it. A wrong query fails in all workers alike, and a 400 can no longer be
 * sent once the merged stream has started.
 * @throws the worker's problem if it responds with 400
 */
export async function probeStream(cluster: Cluster, path: string): Promise<void> {
  const worker = cluster.workers().findLast(({ state }) => state === 'ready')
  if (worker === undefined) return
  const signal = AbortSignal.timeout(TIMEOUT)
  const response = await requestWorker(worker, path, { signal }).catch(() => undefined)
  // The stream starts without a worker that does not respond.
  if (response === undefined) return
  try {
    if (response.statusCode === 400) throw toProblem({ worker, status: 400, body: await readBody(response) })
  } finally {
    response.on('error', () => {}).destroy()
  }
}

/**
 * Sends a request to all workers, or to those for which `path` returns one; the oldest first. Workers that do not respond
 * are missing from the result and named in the header `Sluice-Missing`, unless they have ended.
 * @throws SLUICE_WORKERS_SILENT (503) if no worker responds
 */
export async function askAll(
  cluster: Cluster,
  reply: Missing,
  path: string | ((worker: ClusterWorker) => string | undefined),
  options?: WorkerRequestOptions
): Promise<WorkerResponse[]> {
  const asked = cluster.workers().flatMap(worker => {
    const of = typeof path === 'string' ? path : path(worker)
    return worker.state === 'starting' || of === undefined ? [] : [{ worker, of }]
  })
  const settled = await Promise.allSettled(asked.map(({ worker, of }) => ask(worker, of, options)))
  const responses = settled.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []))
  const left = new Set(cluster.workers().map(({ id }) => id))
  const missing = asked.filter(({ worker }, i) => settled[i]?.status === 'rejected' && left.has(worker.id))
  nameMissing(
    reply,
    missing.map(({ worker }) => worker)
  )
  if (responses.length === 0 && asked.length > 0) throw new NoResponse()
  return responses
}

/**
 * Resolves with the response of the newest worker, for what is the same in all workers of a generation.
 * @throws SLUICE_WORKERS_SILENT (503) if no worker is ready
 */
export async function relay(
  cluster: Cluster,
  path: string,
  reply: FastifyReply,
  timeout = TIMEOUT
): Promise<Buffer> {
  const worker = cluster.workers().findLast(({ state }) => state === 'ready')
  if (worker === undefined) throw new NoResponse()
  const response = await ask(worker, path, { timeout }).catch(() => undefined)
  if (response === undefined) throw new NoResponse()
  const { status, body } = response
  reply.code(status).type(status < 400 ? 'application/json' : 'application/problem+json')
  return body
}

export function nameMissing(reply: Missing, missing: ClusterWorker[]): void {
  if (missing.length > 0) reply.header('sluice-missing', missing.map(({ id }) => `"worker ${id}"`).join(', '))
}

/**
 * Returns the successful responses.
 * @throws the first worker's problem if no worker succeeded
 */
export function successes(responses: WorkerResponse[]): WorkerResponse[] {
  const good = responses.filter(({ status }) => status < 300)
  const [first] = responses
  if (good.length === 0 && first !== undefined) throw toProblem(first)
  return good
}

export function read<Type>({ body }: WorkerResponse): Type {
  return JSON.parse(body.toString())
}

/** Returns an error that is sent as the worker's problem. */
function toProblem(response: WorkerResponse): ProblemError {
  const problem = read<{ title: string }>(response)
  return Object.assign(new Error(problem.title), { statusCode: response.status, problem }) as never
}
