import { request } from 'node:http'

/** Sends a path as it is, which `fetch` would normalize. */
export function get(hostname: string, port: number, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    request({ hostname, port, path }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', chunk => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode as number, text }))
    })
      .on('error', reject)
      .end()
  })
}
