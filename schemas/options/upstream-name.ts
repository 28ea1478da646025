/**
 * Types that a project registers, by declaration merging.
 *
 * ```ts
 * declare module 'sluice' {
 *   interface Register {
 *     upstreams: 'orders' | 'users'
 *   }
 * }
 * ```
 */
// biome-ignore lint/suspicious/noEmptyInterface: projects add to it
export interface Register {}

/** Name of an upstream in a route: one that the project registers, else any string. */
export type UpstreamName = Register extends { upstreams: infer Names extends string } ? Names : string
