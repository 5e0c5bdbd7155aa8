import { Type, type Static } from '@sinclair/typebox'
import { closed, ListOf, Name, OpenEnum, Ref, Time } from './basics.js'

/** What a bundle holds at its top, and what that is for. */
export const bundleParts = {
  scripts: 'on ZEEKPATH; every node loads scripts/local.zeek',
  packages: 'Zeek packages, as zkg installs them; every node loads them',
  plugins: 'on ZEEK_PLUGIN_PATH',
  intel: 'files that nodes read while they run',
  config: 'files that nodes read while they run',
  checks: 'pcap files that a check reads; nodes do not',
  program: 'a release of zeek-cluster, for agents that are upgraded; nodes do not use it'
} as const
export type BundlePart = keyof typeof bundleParts

/** Most files that a bundle may ever have; a setting can make it fewer. */
export const bundleFilesMax = 100_000
/** The longest path of a file in it, in bytes, and the deepest. */
export const bundlePath = { bytes: 1024, depth: 32 }

const exampleId = '7d3a8c0b5f5f4a2e9f1f9a1c6a0d8b4e2c7f3b1a9d5e6c8f0a1b2c3d4e5f6071'

/** The id of a bundle: the SHA-256 of what it holds, so that the same content has the same. */
export const BundleId = Type.String({
  pattern: '^[0-9a-f]{64}$',
  'x-expected': 'the id of a bundle, of 64 hexadecimal digits',
  description: 'The id of a bundle: a hash of the paths, modes and contents of its files.',
  examples: [exampleId]
})

/** A name that points to a bundle. */
export const BundleName = Type.String({
  ...Name,
  description: 'A name for a bundle, as `site`. It can point to another one later; a deployment keeps the id.',
  examples: ['site']
})

/** What names a bundle: one of its names, or its id. */
export const BundleRef = Type.String({
  pattern: '^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$',
  'x-expected': 'the id of a bundle, or a name of one',
  description: 'A bundle: its id, or one of its names.',
  examples: ['site']
})

export const BundleFile = Type.Object(
  {
    path: Type.String({ maxLength: bundlePath.bytes, description: 'Below the top of the bundle, with slashes.' }),
    executable: Type.Boolean(),
    size: Type.Integer({ minimum: 0, description: 'In bytes.' }),
    sha256: Type.String({ pattern: '^[0-9a-f]{64}$' })
  },
  {
    $id: 'BundleFile',
    ...closed,
    description: 'A file of a bundle.',
    examples: [
      {
        path: 'scripts/local.zeek',
        executable: false,
        size: 27,
        sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
      }
    ]
  }
)
export type BundleFile = Static<typeof BundleFile>

/** What names a bundle: a configuration, a feed of intelligence, a revision, or an upgrade. */
export const BundleUser = OpenEnum(
  'BundleUser',
  ['deployed', 'staged', 'intel', 'revision', 'upgrade'],
  'What names a bundle: the `deployed` or the `staged` configuration, a feed of `intel`, a `revision` that is kept, or an `upgrade` that is under way.'
)
export type BundleUser = Static<typeof BundleUser>

const known = {
  id: BundleId,
  names: Type.Array(BundleName, { description: 'The names that point to it now.' }),
  files: Type.Integer({ minimum: 0, description: 'How many it has.' }),
  size: Type.Integer({ minimum: 0, description: 'Of all its files together, in bytes.' }),
  used_by: ListOf(BundleUser, { description: 'What names it now: it cannot be deleted while there is one.' }),
  created_at: Time,
  created_by: Type.Optional(Type.String({ description: 'Who has uploaded it first.' }))
}
const example = {
  id: exampleId,
  names: ['site'],
  files: 3,
  size: 4711,
  used_by: ['deployed'],
  created_at: '2026-11-29T10:00:00.000Z',
  created_by: 'ops'
}

export const Bundle = Type.Object(known, {
  $id: 'Bundle',
  ...closed,
  description: 'A set of files that nodes load and read: scripts, packages, plugins, intelligence. It never changes.',
  examples: [example]
})
export type Bundle = Static<typeof Bundle>

export const BundleContent = Type.Object(
  { ...known, content: ListOf(BundleFile, { maxItems: bundleFilesMax, description: 'Sorted by path.' }) },
  {
    $id: 'BundleContent',
    ...closed,
    description: 'A bundle with its files.',
    examples: [{ ...example, files: 1, content: BundleFile.examples }]
  }
)
export type BundleContent = Static<typeof BundleContent>

export const BundleList = Type.Object(
  { bundles: ListOf(Bundle), next: Type.Optional(Type.String()) },
  {
    $id: 'BundleList',
    ...closed,
    description: 'Bundles, newest first. `next`: there are more; give it as `after`.',
    examples: [{ bundles: [example] }]
  }
)
export type BundleList = Static<typeof BundleList>

const Paths = (description: string) => ListOf(BundleFile, { maxItems: bundleFilesMax, description })

export const DiffOmission = OpenEnum(
  'DiffOmission',
  ['too_large', 'binary', 'unavailable'],
  'Why it is not shown how the content differs: the file is over 64 KiB, or the files before it have over 1 MiB together (`too_large`); it is no text in UTF-8 (`binary`); the content of a bundle is gone (`unavailable`).'
)

export const BundleChange = Type.Object(
  {
    before: Ref(BundleFile),
    after: Ref(BundleFile),
    diff: Type.Optional(
      Type.String({
        description:
          'How the content of a text differs: a unified diff. Absent where only the mode does, or where that is not shown.'
      })
    ),
    diff_omitted: Type.Optional(Ref(DiffOmission))
  },
  {
    $id: 'BundleChange',
    ...closed,
    description: 'A file of two bundles that has another content, or mode, in the later one.',
    examples: [
      {
        before: BundleFile.examples[0],
        after: { ...BundleFile.examples[0], size: 37, sha256: exampleId },
        diff: '--- a/scripts/local.zeek\n+++ b/scripts/local.zeek\n@@ -1,1 +1,1 @@\n-@load misc/loaded-scripts\n+@load policy/tuning/json-logs\n'
      }
    ]
  }
)
export type BundleChange = Static<typeof BundleChange>

export const BundleDifference = Type.Object(
  {
    from: BundleId,
    to: BundleId,
    added: Paths('Files that only the later one has.'),
    removed: Paths('Files that only the earlier one has.'),
    changed: ListOf(BundleChange, {
      maxItems: bundleFilesMax,
      description: 'Files of both, with another content or mode.'
    })
  },
  {
    $id: 'BundleDifference',
    ...closed,
    description: 'What is different between two bundles, sorted by path.',
    examples: [{ from: exampleId, to: exampleId, added: BundleFile.examples, removed: [], changed: [] }]
  }
)
export type BundleDifference = Static<typeof BundleDifference>

export const bundleComponents = [
  BundleUser,
  BundleFile,
  Bundle,
  BundleContent,
  BundleList,
  DiffOmission,
  BundleChange,
  BundleDifference
]
