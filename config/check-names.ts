/**
 * The faults of a config that names issuers, tiers or upstreams which it does not define, each in place of the name.
 *
 * The first branch is never taken: TypeScript infers `Definition` from it. `Definition` as the type of the parameter would
 * permit unknown members, and type parameters for the names would leave inline routes untyped.
 */
export type CheckNames<Definition> = [Definition] extends [never] ? Definition : Faults<Definition>

type Faults<Definition> = WithFaults<{
  scopes: WithFaults<{
    [Name in keyof Member<Definition, 'scopes'>]: ScopeFaults<Definition, Member<Definition, 'scopes'>[Name]>
  }>
  upstreams: WithFaults<{
    [Name in keyof Member<Definition, 'upstreams'>]: UpstreamFaults<
      Definition,
      Member<Definition, 'upstreams'>[Name]
    >
  }>
}>

type ScopeFaults<Definition, Scope> = WithFaults<{
  jwt: NameFault<Definition, 'issuers', Member<Scope, 'jwt'>>
  rateLimit: WithFaults<{
    [By in keyof Member<Scope, 'rateLimit'>]: NameFault<Definition, 'tiers', Member<Scope, 'rateLimit'>[By]>
  }>
}>

type UpstreamFaults<Definition, Upstream> = WithFaults<{
  mirror: WithFaults<{ to: NameFault<Definition, 'upstreams', Member<Member<Upstream, 'mirror'>, 'to'>> }>
  split: WithFaults<{
    to: WithFaults<{
      [Side in keyof Member<Member<Upstream, 'split'>, 'to'>]: NameFault<Definition, 'upstreams', Side>
    }>
  }>
}>

type NameFault<Definition, Group extends string, Name> = Name extends string
  ? Name extends keyof Member<Definition, Group>
    ? NoFault
    : UndefinedName<keyof Member<Definition, Group>>
  : NoFault

/** The compiler shows it in its message. */
interface UndefinedName<Defined> {
  'is not defined in this config, which defines': Defined
}

type NoFault = Record<never, never>

type Member<Parent, Name extends string> = Name extends keyof Parent ? Parent[Name] : NoFault

/** Removes members without a fault. */
type WithFaults<Members> = {
  [Name in keyof Members as keyof Members[Name] extends never ? never : Name]: Members[Name]
}
