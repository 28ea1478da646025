// Plain JavaScript: it has to run on the versions that it refuses.

/**
 * Tells whether a version of Node is in a range such as `^22.19.0 || ^24.4.0`, the only form that `engines` has here.
 *
 * @param {string} version as `process.version` has it
 * @param {string} range
 * @returns {boolean}
 */
export function isSupported(version, range) {
  const [major, minor] = numbersIn(version)
  return range.split('||').some(part => {
    const [wantedMajor, wantedMinor] = numbersIn(part)
    return major === wantedMajor && minor >= wantedMinor
  })
}

function numbersIn(text) {
  return (text.match(/\d+/g) || []).map(Number)
}
