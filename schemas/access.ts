/** Roles. Each may do what those before it may; an agent may only act as an agent. */
export const roles = ['viewer', 'operator', 'admin', 'agent'] as const
export type Role = (typeof roles)[number]

export function isRole(text: string): text is Role {
  return (roles as readonly string[]).includes(text)
}

/**
 * How callers of the HTTP API say who they are: in one of these ways, which OpenAPI describes; in none, where
 * controller_authentication is none.
 */
export const credentials: Record<string, string[]>[] = [{ token: [] }, { session: [] }, { certificate: [] }, {}]

/** The role that a route or a request type requires of its caller. */
export type NeededRole = 'anyone' | Exclude<Role, 'agent'>

/** What can be required, from the least to the most. */
export const ranks: readonly NeededRole[] = ['anyone', 'viewer', 'operator', 'admin']

/** Returns whether a role may do what requires the other. */
export function covers(role: Role, needed: NeededRole): boolean {
  return role === 'agent' ? needed === 'anyone' : ranks.indexOf(role) >= ranks.indexOf(needed)
}
