// Preloaded into the program of `sluice dev --with`, so that it does not outlive `sluice dev`, even after SIGKILL.
process.once('disconnect', () => process.exit())
