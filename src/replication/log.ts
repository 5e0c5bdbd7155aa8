/**
 * What replication needs of the system that keeps the log: frames in one order, a lease, words between replicas, and
 * files. `jetstream.ts` has it of NATS JetStream.
 */

import type { ReplicaStatus } from '../../schemas/replication.js'

/** A frame in the log. `place` grows from frame to frame, with gaps. */
export interface Entry {
  place: number
  frame: Uint8Array
}

/** Another replica was faster: something else is where this one wanted to write. */
export class Superseded extends Error {}

/** The log no longer holds what follows a place: only a snapshot helps. */
export class Trimmed extends Error {}

/** The one ordered log of all replicas. What is in it is on the disks of most of the servers that keep it. */
export interface Log {
  /** What this log is called, for ever: one that is made anew has another identity. */
  readonly identity: string
  /** The names of all replicas, sorted. */
  readonly replicas: readonly string[]
  /**
   * Returns the place of the newest entry, and how much the log holds. A frame of which only a part was written counts.
   */
  extent(): Promise<{ last: number; entries: number; bytes: number }>
  /**
   * Appends a frame if nothing has been written after the place `after`, which is the `last` of the log. Resolves with
   * the frame's place once it is on the disks of most servers. Throws Superseded when something else is there. Tries
   * again until the outcome is known; throws only once the signal aborts, and then nobody knows.
   */
  append(frame: Uint8Array, after: number, signal: AbortSignal): Promise<number>
  /**
   * Returns the entries after a place in order: those until `until`, or without it also those that come, until the
   * signal aborts. Goes on by itself after lost connections. Throws Trimmed when the log no longer holds them all.
   */
  entries(after: number, options: { until?: number; signal: AbortSignal }): AsyncIterable<Entry>
  /** Drops the entries up to a place, which a snapshot covers. */
  trim(upTo: number): Promise<void>
}

/**
 * The lease of the leader: who has it writes it again and again. It decides who tries to lead; that there is one leader
 * is what `append` makes sure of. Both reject when there is no answer for some seconds: what was written then is not
 * known.
 */
export interface Lease {
  /** Returns who has written it last; `revision` changes with each write. Undefined before the first. */
  read(): Promise<{ holder: string; revision: number } | undefined>
  /** Writes it if its revision is still this one (0: before the first). Returns the new one. Throws Superseded. */
  write(holder: string, revision: number): Promise<number>
}

/** The other replicas. */
export interface Peers {
  /** Answers the others with this, from now on. */
  answer(status: () => ReplicaStatus): void
  /** Asks all replicas. Resolves with the answers of the others, once all have come or `timeoutMs` has passed. */
  ask(timeoutMs: number): Promise<ReplicaStatus[]>
}

/** Files that all replicas can get: snapshots, and the contents of bundles. */
export interface Files {
  /** Stores a file under a name, in place of what was there. Resolves once it is on the disks of most servers. */
  put(name: string, path: string): Promise<void>
  /** Writes a stored file to a path. Returns false when there is none of this name. Throws when it came damaged. */
  get(name: string, path: string): Promise<boolean>
  /** Returns the stored names that begin with a text. */
  names(prefix: string): Promise<string[]>
  delete(name: string): Promise<void>
}

/** Everything together, as a replica gets it. */
export interface Replication {
  log: Log
  lease: Lease
  peers: Peers
  files: Files
  close(): Promise<void>
}
