#!/usr/bin/env node
// Plain JavaScript, so that a Node that cannot run the rest, which is TypeScript, still says why.
import { readFileSync } from 'node:fs'
import { isSupported } from './node-version.js'

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
if (!isSupported(process.version, engines.node))
  refuse('sluice runs on Node 22 (from 22.19), 24 (from 24.4) and 26')
else if (!process.features.typescript)
  refuse('sluice needs a Node that runs TypeScript as it is written, 22.19 or later')
else {
  const { main } = await import('./sluice.ts')
  await main(process.argv.slice(2))
}

function refuse(reason) {
  console.error(`${reason}: this is ${process.version}`)
  process.exitCode = 2
}
