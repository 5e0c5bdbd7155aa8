import type { Role } from '../../schemas/access.js'
import type { Request } from '../../schemas/api.js'
import type { DomainEvent } from '../../schemas/events.js'

/** Writes events down, and announces them once they are committed. */
export interface Journal {
  /** Whether it can be written now, as far as is known. */
  readonly isOpen: boolean
  /** What insists is written as soon as that can be done, however long it takes; what is unhurried, soon. */
  write<T> (durability: 'synced' | 'written', transient: boolean, job: (append: (event: DomainEvent) => number) => T, options?: { insists?: boolean, unhurried?: boolean }): Promise<T>
  cursorOf (seq: number): string
}

/** Who asks for something. */
export interface Asker {
  name: string
  role: Role
  address: string
  /** Whom limits count as one. */
  client: string
}

/** Who asked, written down with the request itself. Each only inside of a write. */
export interface Audit {
  accepted (request: Request, by: Asker | undefined, append: (event: DomainEvent) => unknown): void
  /** `by`: who had asked; looked up when it is not known any more. */
  concluded (request: Request, append: (event: DomainEvent) => unknown, by?: Asker): void
}
