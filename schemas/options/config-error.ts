/** A fault of a config or of a plugin's options. `path`: a JSON pointer, or the name of an environment variable. */
export interface ConfigFault {
  path: string
  message: string
}

/** Faults of a config or of a route's options. */
export class ConfigError extends Error {
  faults: ConfigFault[]

  constructor(faults: ConfigFault[]) {
    super(faults.map(({ path, message }) => `${path || '/'} ${message}`).join('\n'))
    this.name = 'ConfigError'
    this.faults = faults
  }
}
