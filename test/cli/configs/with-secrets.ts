/** Secrets in a config file. They are made up. */
// curl -H 'Authorization: Bearer eyJhbGciOiJub25lIn0xx.eyJzdWIiOiJub2JvZHkifQxx.c2lnbmF0dXJlx'
export const database = 'postgres://shop:never-true@db.example/shop'

export default {
  admin: { token: 'this-token-is-in-the-file' },
  redis: { url: 'rediss://:also-in-the-file@redis.example' },
  upstreams: {
    things: {
      endpoints: [{ url: 'http://a' }, { url: 'http://b' }],
      balance: { sticky: { key: 'sixteen-characters' } }
    }
  }
}
