import Type from 'typebox'
import { withDefault } from './defaults.ts'
import { Url } from './url.ts'

const Text = Type.String({ minLength: 1 })

/** `info` of the documents. The name of a version is added to the title of its document. */
const Info = Type.Object(
  {
    title: withDefault(Text, 'API'),
    /** Version of the documents, not of the API. */
    version: withDefault(Text, '1.0.0'),
    summary: Type.Optional(Text),
    /** Markdown. */
    description: Type.Optional(Text),
    termsOfService: Type.Optional(Url('https:', 'http:')),
    contact: Type.Optional(
      Type.Object(
        {
          name: Type.Optional(Text),
          url: Type.Optional(Url('https:', 'http:')),
          email: Type.Optional(Text)
        },
        { additionalProperties: false }
      )
    ),
    license: Type.Optional(
      Type.Object(
        {
          name: Text,
          /** SPDX expression, instead of `url`. */
          identifier: Type.Optional(Text),
          url: Type.Optional(Url('https:', 'http:'))
        },
        { additionalProperties: false }
      )
    )
  },
  { additionalProperties: false }
)

/** Options of the plugin `openapi`. */
export const OpenApiOptions = Type.Object(
  {
    info: withDefault(Info, {}),
    /** URLs at which clients reach the gateway. Default: the one that the document was loaded from. */
    servers: withDefault(
      Type.Array(
        Type.Object(
          {
            url: Type.Refine(Type.String(), isServer, () => 'must be a URL or a path'),
            description: Type.Optional(Text)
          },
          { additionalProperties: false }
        )
      ),
      []
    ),
    /** Descriptions of the scopes, by name. */
    tags: withDefault(Type.Record(Type.String(), Text), {}),
    /** Path at which clients may read the documents and the page. Default: none. */
    public: Type.Optional(
      Type.Refine(
        Type.String(),
        value => /^(\/[\w.~-]+)+$/.test(value),
        () => 'must be a path such as /docs, without a slash at its end'
      )
    )
  },
  { additionalProperties: false }
)
export type OpenApiOptions = Type.Static<typeof OpenApiOptions>

function isServer(value: string): boolean {
  return value.startsWith('/') || (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol))
}
