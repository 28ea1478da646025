#!/usr/bin/env node
// Plain JavaScript that old Node versions can parse, so that they print a message instead of a syntax error.
import { existsSync, readFileSync } from 'node:fs'
import { isSupported } from './node-version.js'

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
if (!isSupported(process.version, engines.node))
  fail(`sluice needs Node 22 (22.19 or later), 24 (24.4 or later) or 26; this is ${process.version}`)
else if (!process.features.typescript)
  fail(`sluice needs a Node that runs TypeScript, 22.19 or later; this is ${process.version}`)
else if (existsSync(new URL('sluice.ts', import.meta.url)) && !import.meta.resolve('#cli').endsWith('.ts'))
  fail('run the sources with "npx sluice" or "npm start", or with node --conditions=sluice-source')
else {
  const { main } = await import('#cli')
  await main(process.argv.slice(2))
}

function fail(reason) {
  console.error(reason)
  process.exitCode = 2
}
