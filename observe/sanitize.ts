/** Replaces control and bidirectional characters of untrusted text, which could change the terminal's output. */
export function sanitize(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '\ufffd')
}
