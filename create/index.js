#!/usr/bin/env node
// Parsed by old Node versions too, so that they print a message instead of a syntax error.
import { readFileSync } from 'node:fs'

const { engines } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))
if (isSupported(process.version, engines.node)) {
  const { main } = await import('./create.js')
  process.exitCode = main(process.argv.slice(2))
} else {
  console.error(
    `create-sluice needs Node 22 (22.19 or later), 24 (24.4 or later) or 26; this is ${process.version}`
  )
  process.exitCode = 2
}

/**
 * As in cli/node-version.js of the gateway: `engines` is a list of `^major.minor.patch`.
 *
 * @param {string} version
 * @param {string} range
 */
function isSupported(version, range) {
  const [major, minor = 0] = numbersIn(version)
  return range.split('||').some(part => {
    const [requiredMajor, requiredMinor = 0] = numbersIn(part)
    return major === requiredMajor && minor >= requiredMinor
  })
}

/** @param {string} text */
function numbersIn(text) {
  return (text.match(/\d+/g) || []).map(Number)
}
