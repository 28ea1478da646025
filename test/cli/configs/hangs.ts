/** Never loaded: what it waits for does not come. */
await new Promise(() => {})
export default {}
