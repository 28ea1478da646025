import { signal } from '@preact/signals'
import { ApiError, request } from './api.ts'

export interface Session {
  authenticated: boolean
  /** Name that the operator gave, for the log of actions. */
  name?: string | null
  tokenNeeded: boolean
}

/** Undefined until the gateway has answered. */
export const session = signal<Session | undefined>(undefined)
/** True if a session ended while the dashboard was open. */
export const hasExpired = signal(false)

/** @throws ApiError if the gateway does not respond */
export async function loadSession(): Promise<void> {
  const before = session.value
  const loaded = await request<Session>('GET', 'session')
  if (before?.authenticated && !loaded.authenticated) hasExpired.value = true
  session.value = loaded
}

/** @throws ApiError 401 if the token is wrong */
export async function login(token: string, name: string): Promise<void> {
  await request('POST', 'session', { token, ...(name && { name }) })
  hasExpired.value = false
  await loadSession()
}

export async function logout(): Promise<void> {
  await request('DELETE', 'session')
  session.value = { authenticated: false, tokenNeeded: true }
}

/** Sends a request of a logged-in operator; an expired session leads to the login page. */
export async function authorized<T>(method: string, path: string, body?: object): Promise<T> {
  try {
    return await request<T>(method, path, body)
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) await loadSession()
    throw error
  }
}
