import Type from 'typebox'

export const UserParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 256 }) })

/** Of the user service's record, what the dashboard reads. */
export const InternalUser = Type.Object({
  id: Type.Unsafe<string | number>({ type: ['string', 'integer'] }),
  name: Type.String(),
  email: Type.String()
})
