/** 1xx responses that a service may send before its response (RFC 9110, 15.2). */
export const MAX_INTERIM_RESPONSES = 16
