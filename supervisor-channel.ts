/** The channel of a worker to its supervisor, such as `process`. */
export interface Channel {
  send?(
    message: object,
    handle: undefined,
    options: undefined,
    callback: (error: Error | null) => void
  ): unknown
  on(event: 'message', listener: (message: unknown) => void): unknown
  off(event: 'message', listener: (message: unknown) => void): unknown
}
