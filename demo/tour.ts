// What the demo prints once all of it runs: where everything is, tokens, and lines to paste into bash.

export interface Tour {
  /** Base URLs. */
  gateway: string
  admin: string
  running: { name: string; url: string; pid: number | undefined }[]
  /** An access token by tier: free, standard, premium. */
  tokens: { [tier: string]: string }
  ordersPid: number | undefined
  demoPid: number
}

export function describeTour({ gateway, admin, running, tokens, ordersPid, demoPid }: Tour) {
  const api = `${gateway}/api/v1`
  const orders = `${gateway}/api/v2/orders`
  const as = (tier: string) => `-H "Authorization: Bearer $${tier}"`
  const order = JSON.stringify({
    lines: [{ productId: 'p-100', quantity: 3, unitPrice: { amount: '0.10', currency: 'GBP' } }],
    shipping: {
      street: '12 St James Square',
      city: 'London',
      region: 'Greater London',
      postalCode: 'SW1Y 4JH',
      countryCode: 'GB'
    }
  })
  const rows = running.map(({ name, url, pid }) => `  ${name.padEnd(10)}${url.padEnd(26)}pid ${pid}`)

  const assignments = Object.entries(tokens).map(([tier, token]) => `${tier.toUpperCase()}=${token}`)

  return `
Everything is up. Ctrl-C ends all of it.

${rows.join('\n')}
  ${'admin'.padEnd(10)}${admin}

Paste these into another shell (bash), in this order. The tokens live for an hour.

# A token for each tier: ada is free, grace standard, alan premium and an admin
${assignments.join('\n')}

# An order is placed: 3 x 0.10 is 0.30
curl -sw '\\n' -X POST ${orders} ${as('FREE')} -H 'Content-Type: application/json' -d '${order}'

# Version 1 of the API has it too, in another shape, and says that it will end; operators see who still calls it
curl -isw '\\n' ${api}/orders/1 ${as('FREE')}
curl -sw '\\n' ${admin}/versions

# It is on the dashboard, which the gateway composes of three services
curl -sw '\\n' ${api}/dashboard ${as('FREE')}

# A user reads their own record, but not another's (403), which an admin may
curl -sw '\\n' ${api}/users/ada ${as('FREE')}
curl -sw '\\n' ${api}/users/grace ${as('FREE')}
curl -sw '\\n' ${api}/users/grace ${as('PREMIUM')}

# Products are public
curl -sw '\\n' ${api}/products/p-100

# ... and limited to 100 a minute by address: about a hundred 200s, then 429
for i in $(seq 105); do curl -s -o /dev/null -w '%{http_code}\\n' ${api}/products; done | sort | uniq -c

# The order service is stopped: five requests fail (502), then the breaker answers (503)
kill ${ordersPid}; sleep 1
for i in $(seq 6); do curl -s -o /dev/null -w '%{http_code}\\n' ${orders}/1 ${as('PREMIUM')}; done
curl -sw '\\n' ${orders}/1 ${as('PREMIUM')}
curl -sw '\\n' ${admin}/upstreams

# The dashboard does without it, and says so
curl -sw '\\n' ${api}/dashboard ${as('FREE')}

# The service comes back with its orders; 30 s after it opened, the breaker tries it again
kill -USR2 ${demoPid}; sleep 30
curl -sw '\\n' ${orders}/1 ${as('FREE')}
`
}
