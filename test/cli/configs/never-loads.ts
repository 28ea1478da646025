/** Waits forever while it loads. */
await new Promise(() => {})
export default {}
