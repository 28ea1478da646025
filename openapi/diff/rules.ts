/**
 * The rules for changes of an API: which of them break clients. A request may accept more, a response may contain less.
 * Where a schema is used decides: `request` (parameters and bodies), `response`, and `problem` (responses with 4xx, 5xx or
 * `default`, which clients rarely read member by member).
 */

export type Level = 'breaking' | 'warning' | 'compatible'
export type Place = 'request' | 'response' | 'problem'

export interface Rule {
  level: Level
  /** Says why. Missing for compatible changes. */
  why?: string
}

const COMPATIBLE: Rule = { level: 'compatible' }
const breaking = (why: string): Rule => ({ level: 'breaking', why })
const warning = (why: string): Rule => ({ level: 'warning', why })

const REJECTED = 'requests that were valid are rejected'
const UNEXPECTED = 'clients get a value that the old document excludes'
const UNREAD = 'clients may rely on it'

/** A change that restricts what is valid. */
const narrows = { request: breaking(REJECTED), response: COMPATIBLE, problem: COMPATIBLE }
/** A change that allows more. */
const widens = { request: COMPATIBLE, response: breaking(UNEXPECTED), problem: warning(UNEXPECTED) }
/** A change that is compared no further. */
const unclear = (why: string) => ({ request: warning(why), response: warning(why), problem: warning(why) })

/** Changes of schemas, with a rule for each place. */
export const SCHEMA_RULES = {
  'type-changed': {
    request: breaking(REJECTED),
    response: breaking(UNEXPECTED),
    problem: breaking(UNEXPECTED)
  },
  'type-narrowed': narrows,
  'type-widened': widens,
  'null-removed': narrows,
  'null-added': widens,
  'enum-added': narrows,
  'enum-removed': widens,
  'enum-value-removed': narrows,
  'enum-value-added': widens,
  'limit-tightened': narrows,
  'limit-loosened': widens,
  'pattern-added': narrows,
  'pattern-removed': widens,
  'pattern-changed': unclear('patterns cannot be compared'),
  'format-added': narrows,
  'format-removed': widens,
  'format-changed': {
    request: breaking(REJECTED),
    response: breaking(UNEXPECTED),
    problem: warning(UNEXPECTED)
  },
  'member-required': { ...narrows, request: breaking('requests without it are rejected') },
  'member-optional': {
    request: COMPATIBLE,
    response: breaking('clients that rely on it find it missing'),
    problem: breaking('clients that rely on it find it missing')
  },
  'required-member-added': { ...narrows, request: breaking('requests without it are rejected') },
  'member-added': { request: COMPATIBLE, response: COMPATIBLE, problem: COMPATIBLE },
  'member-added-to-closed': {
    request: COMPATIBLE,
    response: warning('clients that validate responses reject it'),
    problem: warning('clients that validate responses reject it')
  },
  'required-member-removed': {
    request: warning('its value is ignored'),
    response: breaking('clients that rely on it find it missing'),
    problem: breaking('clients that rely on it find it missing')
  },
  'member-removed': {
    request: warning('its value is ignored'),
    response: warning(UNREAD),
    problem: warning(UNREAD)
  },
  'member-rejected': narrows,
  closed: { ...narrows, request: breaking('requests with other members are rejected') },
  opened: {
    request: COMPATIBLE,
    response: warning('clients that validate responses reject other members'),
    problem: warning('clients that validate responses reject other members')
  },
  'alternative-removed': narrows,
  'alternative-added': widens,
  'assertion-added': narrows,
  'assertion-removed': widens,
  'assertion-changed': unclear('this keyword cannot be compared'),
  'default-changed': {
    request: breaking('requests without it have another effect'),
    response: COMPATIBLE,
    problem: COMPATIBLE
  },
  'default-added': {
    request: warning('requests without it may have another effect'),
    response: COMPATIBLE,
    problem: COMPATIBLE
  },
  'default-removed': {
    request: warning('requests without it may have another effect'),
    response: COMPATIBLE,
    problem: COMPATIBLE
  },
  'discriminator-changed': unclear('clients choose the alternative by it'),
  'encoding-changed': {
    request: breaking('text is decoded in another way'),
    response: breaking('text is encoded in another way'),
    problem: warning('text is encoded in another way')
  },
  'cannot-tell': unclear('this keyword or reference is not understood')
} satisfies Record<string, Record<Place, Rule>>

/** Changes of paths, operations, parameters, media types, responses, headers and security. */
export const OPERATION_RULES = {
  'path-removed': breaking('requests get 404'),
  'operation-removed': breaking('requests get 404 or 405'),
  'ended-operation-removed': COMPATIBLE,
  'operation-added': COMPATIBLE,
  'operation-deprecated': COMPATIBLE,
  'sunset-earlier': breaking('clients were promised more time'),
  'operation-id-changed': warning('generated clients name their functions by it'),
  'server-removed': warning('clients may use this URL'),
  'parameter-added': COMPATIBLE,
  'required-parameter-added': breaking('requests without it are rejected'),
  'parameter-removed': warning('its value is ignored'),
  'parameter-required': breaking('requests without it are rejected'),
  'parameter-optional': COMPATIBLE,
  'parameter-moved': breaking('the old place is not read'),
  'path-parameter-renamed': COMPATIBLE,
  'parameter-encoding-changed': breaking('values are read in another way'),
  'body-added': COMPATIBLE,
  'required-body-added': breaking('requests without a body are rejected'),
  'body-removed': breaking('a body is ignored or rejected'),
  'body-required': breaking('requests without a body are rejected'),
  'body-optional': COMPATIBLE,
  'request-media-type-added': COMPATIBLE,
  'request-media-type-removed': breaking('requests of this type get 415'),
  'response-media-type-added': COMPATIBLE,
  'response-media-type-removed': breaking('clients that expect this type get another'),
  'success-status-removed': breaking('clients that expect this status get another'),
  'success-status-added': warning('clients that expect one status get another'),
  'problem-status-removed': warning('clients may handle this status'),
  'problem-status-added': COMPATIBLE,
  'response-content-removed': breaking('clients that read a body get none'),
  'response-content-added': COMPATIBLE,
  'header-added': COMPATIBLE,
  'required-header-removed': breaking('clients that rely on it find it missing'),
  'header-removed': warning(UNREAD),
  'header-optional': breaking('clients that rely on it find it missing'),
  'header-required': COMPATIBLE,
  'security-added': breaking('requests without credentials get 401'),
  'security-removed': COMPATIBLE,
  'security-alternative-removed': breaking('credentials that were accepted get 401'),
  'security-alternative-added': COMPATIBLE,
  'scope-added': breaking('tokens without this scope get 403'),
  'security-scheme-changed': breaking('credentials are sent in another way'),
  'security-url-changed': warning('tokens come from another place'),
  'cannot-tell': warning('this part is not understood')
} satisfies Record<string, Rule>

export type SchemaRule = keyof typeof SCHEMA_RULES
export type OperationRule = keyof typeof OPERATION_RULES
