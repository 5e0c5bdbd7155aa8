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

/** What a route or a request type requires of its caller. */
export interface Needs {
  role: NeededRole
  /** Whether it is also for callers who are limited to instances with labels: what they get of it is of those only. */
  limited?: boolean | undefined
}

/** What can be required, from the least to the most. */
export const ranks: readonly NeededRole[] = ['anyone', 'join', 'viewer', 'operator', 'admin']

/** Returns why who has a role cannot be limited to instances with labels; undefined where that is possible. */
export function whyNotLimited(role: Role, labels: Record<string, string>): string | undefined {
  if (role === 'admin') {
    return 'limits nothing: an admin makes tokens of every kind, so give a viewer or an operator labels'
  }
  if (role === 'agent') return 'limits nothing: an agent is its own instance, whatever labels that has'
  if (role === 'join') return 'limits nothing: who joins sees nothing'
  return Object.keys(labels).length === 0 ? 'names no label' : undefined
}

/** Returns whether a role may do what requires the other. */
export function covers(role: Role, needed: NeededRole): boolean {
  if (needed === 'join') return role === 'join'
  if (role === 'agent' || role === 'join') return needed === 'anyone'
  return ranks.indexOf(role) >= ranks.indexOf(needed)
}
