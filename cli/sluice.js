#!/usr/bin/env node
// Plain JavaScript, so that any Node can say what it lacks: all else is TypeScript, run as it is written.
if (process.features.typescript) {
  const { main } = await import('./sluice.ts')
  await main(process.argv.slice(2))
} else {
  console.error(
    `sluice needs a Node that runs TypeScript as it is written, 22.19 or later: this is ${process.version}`
  )
  process.exitCode = 2
}
