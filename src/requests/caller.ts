import type { Role } from '../../schemas/access.js'

/** A client that submits requests, as limits and the audit log know it. */
export interface Caller {
  name: string
  role: Role
  address: string
  /** Key under which limits count this caller. */
  client: string
}
