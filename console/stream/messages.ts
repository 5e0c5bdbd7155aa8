import type { Cluster } from '../model/cluster.js'
import type { DomainEvent } from '../model/types.js'

/** How the connection to the controller is. */
export type Link =
  | { state: 'connecting' }
  | { state: 'live' }
  | { state: 'lost'; reason: string }
  /** Nobody is signed in, or no more. `reason` is the controller's; undefined when there was no session before. */
  | { state: 'signed-out'; reason: string | undefined }

/**
 * What the hub tells the tabs. `asOf`: until when all is told, in milliseconds since 1970; 0 before the first state.
 */
export type ToTab =
  | { kind: 'cluster'; cluster: Cluster; link: Link; asOf: number }
  | { kind: 'events'; events: readonly DomainEvent[]; asOf: number }
  | { kind: 'link'; link: Link; asOf: number }
  /** Every two seconds: the hub is there, and nothing else has changed. */
  | { kind: 'pulse'; asOf: number }

/** What a tab tells the hub. */
export type ToHub =
  /** It wants all there is, and then what happens. */
  | { kind: 'join'; tab: string }
  | { kind: 'leave'; tab: string }
  /**
   * Somebody looks at it again, the network is back, or somebody has signed in: what is lost is tried at once. `doubt`:
   * the connection may be dead, whatever it seems.
   */
  | { kind: 'look'; tab: string; doubt?: boolean }
  /** Whether the tab shows statistics. */
  | { kind: 'watch'; tab: string; wanted: boolean }
