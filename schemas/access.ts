/** Who may do what. A role may do what those before it may; an agent may only be one. */
export const roles = ['viewer', 'operator', 'admin', 'agent'] as const
export type Role = (typeof roles)[number]

export function isRole(text: string): text is Role {
  return (roles as readonly string[]).includes(text)
}

/** What a route or a request type asks of its caller. */
export type NeededRole = 'anyone' | Exclude<Role, 'agent'>

const ranks: readonly NeededRole[] = ['anyone', 'viewer', 'operator', 'admin']

/** Whether someone of this role may do what needs that one. */
export function covers(role: Role, needed: NeededRole): boolean {
  return role === 'agent' ? needed === 'anyone' : ranks.indexOf(role) >= ranks.indexOf(needed)
}
