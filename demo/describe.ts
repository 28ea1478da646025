/** Properties of the running demo. */
export interface Demo {
  /** Base URLs. */
  gateway: string
  admin: string
  running: { name: string; url: string; pid: number | undefined }[]
  /** Access tokens by tier: free, standard, premium. */
  tokens: { [tier: string]: string }
  ordersPid: number | undefined
  demoPid: number
}

/** Returns the text to print: URLs, and the variables that docs/tour.md uses. */
export function describeDemo({ gateway, admin, running, tokens, ordersPid, demoPid }: Demo): string {
  const rows = running.map(({ name, url, pid }) => `  ${name.padEnd(10)}${url.padEnd(26)}pid ${pid}`)
  const variables = Object.entries(tokens).map(([tier, token]) => `${tier.toUpperCase()}=${token}`)

  return `
Everything is running. Ctrl-C stops it.

${rows.join('\n')}
  ${'admin'.padEnd(10)}${admin}

Paste these lines into another terminal (bash), then go on with docs/tour.md. The tokens are valid for an hour: ada is free,
grace standard, alan premium and an admin.

${variables.join('\n')}
ORDERS_PID=${ordersPid}
DEMO_PID=${demoPid}
API=${gateway}/api
ADMIN=${admin}
`
}
