import Type from 'typebox'
import { isDroppedByDefault, isGatewaysOwn } from '../../http/header-names.ts'
import { Token } from './token.ts'

/** Request headers that a scope forwards although they are dropped by default. */
export const PassHeadersOptions = Type.Array(
  Type.Refine(
    Token,
    value => isDroppedByDefault(value.toLowerCase()) && !isGatewaysOwn(value.toLowerCase()),
    value =>
      `must be a header that is dropped by default, such as X-HTTP-Method-Override; ${isGatewaysOwn(value.toLowerCase()) ? 'the gateway always removes or sets this one' : 'this one passes anyway'}`
  )
)
