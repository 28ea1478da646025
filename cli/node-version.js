// Plain JavaScript that unsupported Node versions can run.

/**
 * Returns true if a Node version is in a range such as `^22.19.0 || ^24.4.0`, the only form that `engines` uses.
 *
 * @param {string} version as in `process.version`
 * @param {string} range
 * @returns {boolean}
 */
export function isSupported(version, range) {
  const [major, minor] = numbersIn(version)
  return range.split('||').some(part => {
    const [requiredMajor, requiredMinor] = numbersIn(part)
    return major === requiredMajor && minor >= requiredMinor
  })
}

function numbersIn(text) {
  return (text.match(/\d+/g) || []).map(Number)
}
