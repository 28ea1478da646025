/** An error response of the admin API (RFC 9457), or a request without a response. */
export class ApiError extends Error {
  /** 0 without a response. */
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/**
 * Sends a request to the admin API. Paths are relative to the page.
 * @throws ApiError with the title and the reason of the problem
 */
export async function request<T>(method: string, path: string, body?: object): Promise<T> {
  const init: RequestInit = { method, headers: { accept: 'application/json' } }
  if (body !== undefined) {
    init.headers = { ...init.headers, 'content-type': 'application/json' }
    init.body = JSON.stringify(body)
  }
  const response = await fetch(path, init).catch(() => {
    throw new ApiError(0, 'The gateway does not respond')
  })
  const text = await response.text()
  if (!response.ok)
    throw new ApiError(response.status, describe(text) ?? `The gateway answered ${response.status}`)
  return (text === '' ? undefined : JSON.parse(text)) as T
}

function describe(text: string): string | undefined {
  try {
    const { title, detail, reason } = JSON.parse(text)
    return [title, detail, reason].filter(part => typeof part === 'string').join(': ') || undefined
  } catch {
    return undefined
  }
}
