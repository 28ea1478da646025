/** True for the response of `app.inject()`. It has no socket, so Node never counts its bytes as sent. */
export function isInjected(response: object): boolean {
  return '_lightMyRequest' in response
}
