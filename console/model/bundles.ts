import { bytes, counted, plain } from './format.js'
import type { Schema } from './types.js'

export type Bundle = Schema['Bundle']
export type BundleFile = Schema['BundleFile']
export type BundleDifference = Schema['BundleDifference']

/** Returns as many digits of an id as tell bundles apart for a person. */
export const shortId = (id: string): string => id.slice(0, 12)

/** Returns a name, or an id, as it may be shown: of an id only its first digits. */
export const shownRef = (ref: string): string => (/^[0-9a-f]{64}$/.test(ref) ? shortId(ref) : plain(ref))

/** Returns what a bundle is called, as `site`, and without a name `7d3a8c0b5f5f`. */
export const titleOf = ({ id, names }: Pick<Bundle, 'id' | 'names'>): string =>
  names.length === 0 ? shortId(id) : names.map(plain).join(', ')

/** Returns the bundle that a name points to. */
export const namedBy = (bundles: readonly Bundle[], name: string): Bundle | undefined =>
  bundles.find(({ names }) => names.includes(name))

/** Returns the files whose path has a text in it, whatever its case. */
export function filesWith<File extends { path: string }>(files: readonly File[], text: string): readonly File[] {
  const wanted = text.toLowerCase()
  return wanted === '' ? files : files.filter(({ path }) => path.toLowerCase().includes(wanted))
}

/** Returns the mode of a file in words: nothing is said of most. */
export const modeOf = ({ executable }: BundleFile): string => (executable ? 'executable' : '')

/** A file that is another one in the later of two bundles. */
export interface FileChange {
  path: string
  kind: 'added' | 'removed' | 'changed'
  /** For example `27 B`, `27 B → 31 B`. */
  size: string
  /** For example `content`, `content, now executable`; of a file that is in one of them only, its mode. */
  what: string
}

/** Returns what is different between two bundles, file by file, sorted by path. */
export function changesOf({ added, removed, changed }: Omit<BundleDifference, 'from' | 'to'>): FileChange[] {
  const of = (kind: 'added' | 'removed') => (file: BundleFile) => {
    return { path: file.path, kind, size: bytes(file.size), what: modeOf(file) }
  }
  const all = [...added.map(of('added')), ...removed.map(of('removed')), ...changed.map(changeOf)]
  return all.sort((a, b) => (a.path < b.path ? -1 : 1))
}

function changeOf({ before, after }: Schema['BundleChange']): FileChange {
  const what = [
    ...(before.sha256 === after.sha256 ? [] : ['content']),
    ...(before.executable === after.executable ? [] : [after.executable ? 'now executable' : 'no longer executable'])
  ]
  const size = before.size === after.size ? bytes(after.size) : `${bytes(before.size)} → ${bytes(after.size)}`
  return { path: after.path, kind: 'changed', size, what: what.join(', ') }
}

/** Returns how many files differ, as `2 added, 1 changed in this one.` */
export function summaryOf({ added, removed, changed }: Omit<BundleDifference, 'from' | 'to'>): string {
  const counts = [
    [added.length, 'added'],
    [removed.length, 'removed'],
    [changed.length, 'changed']
  ] as const
  const parts = counts.filter(([count]) => count > 0).map(([count, kind]) => `${count} ${kind}`)
  return parts.length === 0 ? 'No file differs.' : `${parts.join(', ')} in this one.`
}

/**
 * Returns with which one of all a bundle is compared unless another one is chosen: what is deployed, else what is
 * staged; where there is none, or it is this one, what was uploaded before it, and is no file of a feed. `bundles`:
 * newest first.
 */
export function earlierOf(bundles: readonly Bundle[], id: string): Bundle | undefined {
  const usedBy = (state: Bundle['used_by'][number]) => bundles.find(({ used_by: users }) => users.includes(state))
  const used = usedBy('deployed') ?? usedBy('staged')
  if (used && used.id !== id) return used
  const at = bundles.findIndex(one => one.id === id)
  return at < 0 ? undefined : bundles.slice(at + 1).find(one => !isFeedOnly(one))
}

/** Returns a bundle in a line of a choice, as `site · 7d3a8c0b5f5f · deployed`. */
export const choiceOf = ({ id, names, used_by: users }: Bundle): string =>
  [...names.map(plain), shortId(id), ...users.map(shownUser)].join(' · ')

/** Returns whether a bundle is the file of a feed of intelligence, and nothing that configurations name. */
export const isFeedOnly = ({ used_by: users }: Pick<Bundle, 'used_by'>): boolean =>
  users.length > 0 && users.every(user => user === 'intel')

/** Returns what names a bundle, as a word beside others. */
export const shownUser = (user: Bundle['used_by'][number]): string => (user === 'intel' ? 'feed of intelligence' : user)

/** Returns what names a bundle, as `the deployed and the staged configuration, and a feed of intelligence`. */
export function usersOf(users: Bundle['used_by']): string {
  const configurations = users.filter(user => user === 'deployed' || user === 'staged').map(user => `the ${user}`)
  return [
    ...(configurations.length > 0 ? [`${configurations.join(' and ')} configuration`] : []),
    ...(users.includes('revision') ? ['a revision'] : []),
    ...(users.includes('intel') ? ['a feed of intelligence'] : [])
  ].join(', and ')
}

/** Returns why a bundle cannot be deleted; undefined when it can. */
export function keptBy({ used_by: users }: Pick<Bundle, 'used_by'>): string | undefined {
  if (users.length === 0) return undefined
  const [first, ...rest] = usersOf(users)
  return `${first!.toUpperCase()}${rest.join('')} ${users.length === 1 ? 'names' : 'name'} it: it cannot be deleted.`
}

/** Returns what deleting a bundle would do, line by line. */
export function deletionOf({ names, files, size }: Pick<Bundle, 'names' | 'files' | 'size'>): string[] {
  return [
    `${counted(files, 'file')} (${bytes(size)}) ${files === 1 ? 'is' : 'are'} deleted at the controller.`,
    ...(names.length === 0
      ? []
      : [`${names.map(plain).join(', ')} ${names.length === 1 ? 'points' : 'point'} to nothing then.`]),
    'Nothing that runs changes.'
  ]
}

/** Returns what uploading under a name would do to what the name means. */
export function renamingOf(bundles: readonly Bundle[], name: string): string | undefined {
  const now = namedBy(bundles, name)
  return now && `${plain(name)} points to ${shortId(now.id)} now, and to the new one then. Configurations keep theirs.`
}
