import { createHash } from 'node:crypto'
import { AppError } from '../errors.js'
import type { Requests } from '../requests/requests.js'
import type { RevisionTable } from '../store/revisions.js'
import type { Cluster } from './cluster/cluster.js'

/** What `If-Match` asks for (RFC 9110, 13.1.1): one of these entity tags, or `*`, whatever is there. */
export type IfMatch = '*' | readonly string[]

export interface EntityTagsOptions {
  cluster: Pick<Cluster, 'staged' | 'staging' | 'deployment' | 'revision'>
  revisions: Pick<RevisionTable, 'get'>
  requests: Pick<Requests, 'list'>
}

/** The entity tags of the staged and the deployed configuration: strong ones. */
export class EntityTags {
  #options: EntityTagsOptions

  constructor(options: EntityTagsOptions) {
    this.#options = options
  }

  /**
   * Returns the tag of a configuration; undefined where there is none. That of the staged one is of its content, that
   * of the deployed one its revision, or its id where an earlier version has deployed it.
   */
  of(state: 'staged' | 'deployed'): string | undefined {
    const { cluster } = this.#options
    if (state === 'staged') {
      const { staged } = cluster
      return staged && `"${digestOf(staged)}"`
    }
    const { deployment, revision } = cluster
    return deployment && `"${revision ?? deployment.configuration.id}"`
  }

  /**
   * Throws `precondition_failed`, with what is there now, unless the configuration has one of the tags; of the deployed
   * one also while another deployment is under way, which may change it. Only inside of a write.
   */
  demand(state: 'staged' | 'deployed', wanted: IfMatch): void {
    const tag = this.of(state)
    if (tag === undefined) throw failed(`there is no ${state} configuration`)
    if (wanted === '*') return
    // A weak one never is what a strong one is.
    if (!wanted.includes(tag)) throw failed(`the ${state} configuration is ${tag} now: ${this.#story(state)}`)
    if (state === 'staged') return
    const [pending] = this.#options.requests.list({ type: 'deploy', state: 'pending', limit: 1 }).requests
    if (pending) throw failed(`the deployed configuration may change: deployment ${pending.reqid} is under way`)
  }

  /** Returns which one a configuration is, and who has put it there, and when, where that is known. */
  #story(state: 'staged' | 'deployed'): string {
    const { revisions, cluster } = this.#options
    const { staged, staging, deployment, revision } = cluster
    if (state === 'staged') return told(staged!.id, 'staged', staging)
    const stored = revision === undefined ? undefined : revisions.get(revision)
    return told(stored ? `revision ${stored.n}` : deployment!.configuration.id, 'deployed', stored)
  }
}

function told(what: string, done: string, by: { time: number; who?: string | null | undefined } | undefined): string {
  return by ? `${what}, ${done}${by.who ? ` by ${by.who}` : ''} at ${new Date(by.time).toISOString()}` : what
}

const digestOf = (value: object) => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32)

const failed = (why: string) => new AppError('precondition_failed', why)
