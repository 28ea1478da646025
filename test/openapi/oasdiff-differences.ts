/** Why Sluice and oasdiff judge a pair of pairs.ts differently. The first entry whose pattern matches a name counts. */
export const DIFFERENCES: [RegExp, string][] = [
  [
    /^query parameter: type string, object, reversed$/,
    'A style decides how an object is written, so a plain text is no object.'
  ],
  [/^response header: type string, object$/, 'Clients that read a text get the parts of an object.'],
  [
    /^(query parameter|response header): contentSchema/,
    'oasdiff does not compare contentSchema of parameters and headers.'
  ],
  [/schema true, false/, 'A schema that allows nothing is a change of type, and back.'],
  [
    /^query parameter: (type string, list of types|list of two, three types)$/,
    'In text every scalar value is a string.'
  ],
  [/^(query parameter|response header): null not allowed/, 'Text has no null.'],
  [/^deepObject parameter with member of string, null/, 'Text has no null.'],
  [/x-extensible-enum/, 'Extensions are not compared.'],
  [/^sunset none, set, reversed$/, 'Clients get more time.'],
  [
    /^(response header|query parameter): (enum|const)/,
    'oasdiff does not compare these values of headers and parameters.'
  ],
  [
    /^deepObject parameter with member of any string, enum$/,
    'oasdiff reports the restriction as an extension of the list.'
  ],
  [
    /^(query parameter|response header): (multipleOf|uniqueItems)/,
    'oasdiff does not compare this keyword here.'
  ],
  [/: pattern one, all/, 'A pattern that matches everything restricts nothing.'],
  [
    /^(request|response) body: pattern|^response header: pattern/,
    'oasdiff compares patterns of members and parameters only.'
  ],
  [/: default none, set/, 'What a request without the value does may have changed.'],
  [
    /^(request|query).*: default changed/,
    'A request without the value does something else. The wire format stays, so oasdiff calls it compatible.'
  ],
  [
    /^(query parameter|response header): content(Encoding|MediaType)/,
    'oasdiff does not compare this keyword here.'
  ],
  [/^(query parameter|response header): contains/, 'oasdiff does not compare this keyword here.'],
  [
    /: (prefixItems|unevaluatedItems|unevaluatedProperties|not) none, set/,
    'The keyword restricts; oasdiff does not report it as such.'
  ],
  [
    /^(query parameter|response header): items of string, integer/,
    'In text an integer is a string, and back it is not.'
  ],
  [/: (contains|dependentRequired|prefixItems|not) changed/, 'Sluice cannot tell, which is a warning.'],
  [/: additionalProperties/, 'oasdiff does not report additionalProperties: false.'],
  [
    /^response (body|member): (required )?member none|^response (body|member): readOnly member none/,
    'Clients may rely on an optional member too. Members have no sunset.'
  ],
  [
    /^request (body|member): member none, optional, where others are rejected, reversed$/,
    'Requests with the member are rejected.'
  ],
  [
    /^request (body|member): (required )?member none, deprecated and sunset, reversed$/,
    'Only operations have a sunset; a removed member is ignored.'
  ],
  [
    /^request (body|member): required member writable, readOnly, reversed$/,
    'Clients did not send a readOnly member, and now must.'
  ],
  [/: allOf one, two parts, reversed/, 'The members of the part are compared one by one.'],
  [
    /^(request|response) body: schema plain, one of two$/,
    'The plain schema is one of the alternatives, so only the other is new.'
  ],
  [/: schema plain, one of others/, 'No alternative accepts a text.'],
  [/: discriminator/, 'Clients choose the alternative by the discriminator.'],
  [/^method deprecated without a sunset, removed$/, 'Clients were not told when it ends.'],
  [/^parameter in query, header/, 'The gateway does not read the old place.'],
  [/^parameter style/, 'Values are split in another way.'],
  [
    /^parameter of one operation, of the path$/,
    'Nothing changes: parameters of a path are those of its operations.'
  ],
  [/^status 200, 200 and 201$/, 'Clients may expect one status.'],
  [/^status .*404.*, reversed$/, 'Clients may handle this status.'],
  [/^response header none, optional, reversed$/, 'Clients may rely on an optional header too.'],
  [/^problem with enum of two, three$/, 'Clients of problems know the status; a new value is a warning.'],
  [/^security key, key and other, reversed$/, 'Both credentials include the one that is still needed.'],
  [
    /^parameter (none, deprecated|of the path none)/,
    'Only operations have a sunset; a removed parameter is ignored.'
  ],
  [/^deepObject parameter with one, two members/, 'oasdiff does not compare required members of parameters.'],
  [
    /^response media type (JSON, HAL|without, with parameter)$/,
    'Clients that ask for the old type may get 406.'
  ],
  [/^operationId/, 'Generated clients name their functions by it.'],
  [/^server none, set, reversed$/, 'Clients may use the removed URL.'],
  [
    /^(webhook|callback) none, added, reversed$/,
    'Sluice does not compare webhooks and callbacks, which is a warning.'
  ]
]

/** Checks of oasdiff that no pair is for. */
export const UNTESTED: [RegExp, string][] = [
  [/stability/, 'x-stability-level is an extension of oasdiff.'],
  [
    /sunset|removed-with-deprecation|endpoint-deprecated/,
    'The format of x-sunset, and dates of members and parameters.'
  ],
  [/item-schema/, 'itemSchema is of OpenAPI 3.2.'],
  [
    /list-of-types|prefix-items|unevaluated|discriminator-mapping|wrapped-in-one-of|media-type-(name|schema)/,
    'A pair of this kind exists; another check fires for it, or none.'
  ],
  [
    /type-(compatible|generalized)|became-(not-)?(read-only|write-only|false)/,
    'A pair of this kind exists; another check fires for it.'
  ],
  [
    /global-security|oauth-scope|operation-id|parameter-(deprecated|reactivated)/,
    'A pair of this kind exists; the check of an operation fires.'
  ],
  [/^new-required-request-header-property$/, 'Headers of an object: a pair exists for required members.'],
  [
    /-(exclusive|min|max|unique|multiple|pattern|enum|const)/,
    'The same keyword in a place that another pair covers.'
  ]
]
