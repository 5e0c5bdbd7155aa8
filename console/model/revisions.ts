import { shortId } from './bundles.js'
import { compareNames } from './cluster.js'
import { counted, dayAndClock, plain } from './format.js'
import type { Schema } from './types.js'

export type Revision = Schema['Revision']
export type RevisionDifference = Schema['RevisionDifference']

const parts = { instances: 'instance', nodes: 'node', groups: 'group', captures: 'capture' } as const
const nothing = { added: [], removed: [], changed: [] }

/** An instance, a node, a group or a capture that only one of two revisions has; or a field of one that both have. */
export interface PartChange {
  kind: 'added' | 'removed' | 'changed'
  /** For example `node`. */
  noun: string
  name: string
  /** Empty where all of it is there, or is not. */
  field: string
  /** For example `"eth0" → "eth1"`, `added`. */
  change: string
}

/**
 * Returns what is different between two revisions but for their bundles: instances, nodes, groups, captures, each by
 * name.
 */
export function changesOf(difference: RevisionDifference): PartChange[] {
  return Object.entries(parts).flatMap(([list, noun]) => {
    const { added, removed, changed } = difference[list as keyof typeof parts] ?? nothing
    const whole = (kind: 'added' | 'removed') => (name: string) => ({ kind, noun, name, field: '', change: kind })
    const ofFields = changed.flatMap(({ name, fields }) =>
      fields.map(({ field, before = 'none', after = 'none' }): PartChange => {
        return { kind: 'changed', noun, name, field, change: `${before} → ${after}` }
      })
    )
    const all: PartChange[] = [...added.map(whole('added')), ...removed.map(whole('removed')), ...ofFields]
    return all.sort((a, b) => compareNames(a.name, b.name))
  })
}

/** Returns how much is different, as `1 node added, 2 nodes changed, another bundle.` */
export function summaryOf({ from, to, bundle, ...difference }: RevisionDifference): string {
  const counts = [
    ...Object.entries(parts).map(([list, noun]) => [noun, difference[list as keyof typeof parts] ?? nothing] as const),
    ...(bundle ? [['file', bundle] as const] : [])
  ].flatMap(([noun, kinds]) =>
    (['added', 'removed', 'changed'] as const).flatMap(kind =>
      kinds[kind].length === 0 ? [] : [`${counted(kinds[kind].length, noun)} ${kind}`]
    )
  )
  const whole = bundle ? [] : wholeBundle(from.bundle, to.bundle)
  const all = [...counts, ...whole]
  return all.length === 0 ? 'Nothing differs.' : `${all.join(', ')}.`
}

/** Returns what is said of bundles that cannot be compared file by file. */
function wholeBundle(from: string | undefined, to: string | undefined): string[] {
  if (from === to) return []
  if (from === undefined) return [`bundle ${shortId(to!)} added`]
  if (to === undefined) return [`bundle ${shortId(from)} removed`]
  return [`bundle ${shortId(to)} instead of ${shortId(from)}, not both of which are kept`]
}

const commentShown = 60

/** Returns a revision in a line of a choice, as `12 · 2026-11-29 10:00:00 · deployed · more workers`. */
export function choiceOf({ revision, created_at: at, deployed, comment = '' }: Revision): string {
  const text = plain(comment.replace(/\s+/g, ' '))
  const shown = text.length > commentShown ? `${text.slice(0, commentShown)}…` : text
  return [String(revision), dayAndClock(at), deployed ? 'deployed' : '', shown].filter(Boolean).join(' · ')
}

/** Returns the revision that a URL names; undefined where it names none. */
export const numberIn = (text: string): number | undefined => (/^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined)
