#!/usr/bin/env node
// Plain JavaScript that old versions of Node can parse, so that they print one line and not a syntax error.
import { existsSync, readFileSync } from 'node:fs'
import { isSupported } from './node-version.js'

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
if (!isSupported(process.version, engines.node))
  refuse(`sluice runs on Node 22 (from 22.19), 24 (from 24.4) and 26: this is ${process.version}`)
else if (!process.features.typescript)
  refuse(`sluice needs a Node that runs TypeScript, 22.19 or later: this is ${process.version}`)
else if (existsSync(new URL('sluice.ts', import.meta.url)) && !import.meta.resolve('#cli').endsWith('.ts'))
  refuse('run the sources with "npx sluice" or "npm start", or with node --conditions=sluice-source')
else {
  const { main } = await import('#cli')
  await main(process.argv.slice(2))
}

function refuse(reason) {
  console.error(reason)
  process.exitCode = 2
}
