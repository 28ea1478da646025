import { isIP } from 'node:net'
import Type from 'typebox'
import { withDefault } from './defaults.ts'

const Range = Type.Refine(
  Type.String(),
  value => {
    const [address = '', bits, ...more] = value.split('/')
    const family = isIP(address)
    if (family === 0 || more.length > 0) return false
    return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
  },
  () => 'must be an address or a range such as 10.0.0.0/8 or 2001:db8::/32'
)

export const IpFilterOptions = Type.Object(
  {
    /** If not empty, only these addresses may connect. */
    allow: withDefault(Type.Array(Range), []),
    /** Rejected, even if allowed above. */
    deny: withDefault(Type.Array(Range), [])
  },
  { additionalProperties: false }
)
export type IpFilterOptions = Type.Static<typeof IpFilterOptions>
