import { createRequire } from 'node:module'

/** The version of the package. Not a JSON import, since `tsc` would copy package.json into dist. */
export const { version } = createRequire(import.meta.url)('#package.json') as { version: string }
