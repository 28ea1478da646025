import Type from 'typebox'

/** A token (RFC 9110, 5.6.2), such as a header name or a method. */
export const Token = Type.Refine(
  Type.String(),
  value => /^[\w!#$%&'*+.^`|~-]+$/.test(value),
  () => 'must be a token, without spaces (RFC 9110, section 5.6.2)'
)
