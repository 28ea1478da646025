import Type from 'typebox'

export const UserParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 256 }) })

/** The members of a user record that the dashboard uses. */
export const InternalUser = Type.Object({
  id: Type.Unsafe<string | number>({ type: ['string', 'integer'] }),
  name: Type.String(),
  email: Type.String()
})
