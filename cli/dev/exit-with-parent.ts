// Preloaded into the program of `sluice dev --with`, so that it does not outlive `sluice dev`, even after SIGKILL.
process.once('disconnect', () => process.exit())
// The channel alone must not keep a program running that has nothing left to do.
process.channel?.unref()
