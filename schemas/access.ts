/**
 * Roles. Of the first three each may do what those before it may; an agent may only act as an agent, and who joins may
 * only ask to become one.
 */
export const roles = ['viewer', 'operator', 'admin', 'agent', 'join'] as const
export type Role = (typeof roles)[number]

export function isRole(text: string): text is Role {
  return (roles as readonly string[]).includes(text)
}

/**
 * What a request of the HTTP API has to say who asks: one of these, which OpenAPI describes; or nothing, where the
 * connection has a client certificate, or controller_authentication is none. (That OpenAPI can name certificates here,
 * too, generators do not know.)
 */
export const credentials: Record<string, string[]>[] = [{ bearerToken: [] }, { sessionCookie: [] }, {}]

/** The role that a route or a request type requires of its caller. */
export type NeededRole = 'anyone' | Exclude<Role, 'agent'>

/** What can be required, from the least to the most. */
export const ranks: readonly NeededRole[] = ['anyone', 'join', 'viewer', 'operator', 'admin']

/** Returns whether a role may do what requires the other. */
export function covers(role: Role, needed: NeededRole): boolean {
  if (needed === 'join') return role === 'join'
  if (role === 'agent' || role === 'join') return needed === 'anyone'
  return ranks.indexOf(role) >= ranks.indexOf(needed)
}
