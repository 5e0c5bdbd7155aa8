import { Type, type Static } from '@sinclair/typebox'
import { RequestState } from './api.js'
import {
  closed,
  Cursor,
  DeploymentComment,
  ListOf,
  Next,
  Ref,
  reqidExample,
  RequestId,
  RevisionNumber,
  Time
} from './basics.js'
import { BundleDifference, BundleId, bundlePath } from './bundles.js'
import { ClusterConfiguration } from './types.js'

const known = {
  revision: RevisionNumber,
  deployed: Type.Boolean({ description: 'Whether it is the deployed one.' }),
  outcome: {
    ...Ref(RequestState),
    description: 'How its deployment has ended: the state of the request, pending while it is under way.'
  },
  created_at: Time,
  good_at: Type.Optional({
    ...Time,
    description:
      'When it was marked good: the cluster was healthy with it for controller_good_after without a break. Absent where that never was.'
  }),
  created_by: Type.Optional(Type.String({ description: 'Who has deployed it.' })),
  comment: Type.Optional(DeploymentComment),
  reqid: { ...RequestId, description: 'The request that has deployed it.' },
  config_id: { ...RequestId, description: 'The id of its configuration.' },
  bundle: Type.Optional(BundleId),
  nodes: Type.Integer({ minimum: 0, description: 'How many it has, with the workers of its groups.' })
}
const configurationExample = ClusterConfiguration.examples?.[0]
const example = {
  revision: 12,
  deployed: true,
  outcome: 'succeeded',
  created_at: '2026-11-29T10:00:00.000Z',
  good_at: '2026-11-29T10:05:12.000Z',
  created_by: 'ops',
  comment: 'more workers on sensor-2',
  reqid: reqidExample,
  config_id: configurationExample.id,
  nodes: 3
}
const earlier = { ...example, revision: 11, deployed: false, comment: 'the first of this week' }

export const Revision = Type.Object(known, {
  $id: 'Revision',
  ...closed,
  description: 'A deployment, as it is kept: it can be deployed again.',
  examples: [example]
})
export type Revision = Static<typeof Revision>

export const RevisionList = Type.Object(
  { revisions: ListOf(Revision), next: Next, event_cursor: Cursor },
  {
    $id: 'RevisionList',
    ...closed,
    description: 'A page of revisions, newest first.',
    examples: [{ revisions: [example], next: '12', event_cursor: 'k3v9q2.1042' }]
  }
)

export const RevisionDocument = Type.Object(
  { ...known, configuration: Ref(ClusterConfiguration) },
  {
    $id: 'RevisionDocument',
    ...closed,
    description: 'A revision with its configuration, as it was staged.',
    examples: [{ ...example, configuration: configurationExample }]
  }
)
export type RevisionDocument = Static<typeof RevisionDocument>

const JsonText = (description: string) => Type.Optional(Type.String({ description, examples: ['"eth0"'] }))

export const FieldChange = Type.Object(
  {
    field: Type.String({
      description: 'The name of the field; of a map that of the member, too.',
      examples: ['interface', 'options.Log::default_rotation_interval']
    }),
    before: JsonText('Its earlier value, as a JSON text; absent where there was none. Secrets are masked.'),
    after: JsonText('Its later value, as a JSON text; absent where there is none. Secrets are masked.')
  },
  {
    $id: 'FieldChange',
    ...closed,
    description: 'A field that has another value in the later one.',
    examples: [{ field: 'interface', before: '"eth0"', after: '"eth1"' }]
  }
)
export type FieldChange = Static<typeof FieldChange>

/** A capture has the name of its file. */
const PartName = Type.String({ maxLength: bundlePath.bytes, examples: ['worker-1'] })

export const PartChange = Type.Object(
  { name: PartName, fields: ListOf(FieldChange, { description: 'Sorted by name.' }) },
  {
    $id: 'PartChange',
    ...closed,
    description: 'An instance, a node, a group or a capture of both revisions, with what is different in it.',
    examples: [{ name: 'worker-1', fields: FieldChange.examples }]
  }
)
export type PartChange = Static<typeof PartChange>

export const PartDifference = Type.Object(
  {
    added: Type.Array(PartName, { description: 'Names of those that only the later revision has.' }),
    removed: Type.Array(PartName, { description: 'Names of those that only the earlier revision has.' }),
    changed: ListOf(PartChange)
  },
  {
    $id: 'PartDifference',
    ...closed,
    description:
      'What is different between the instances, the nodes, the groups or the captures of two revisions, sorted by name.',
    examples: [{ added: ['worker-2'], removed: [], changed: PartChange.examples }]
  }
)
export type PartDifference = Static<typeof PartDifference>

const nothing = { added: [], removed: [], changed: [] }

/** What is different between two configurations, but for their bundles. */
export const configurationDifference = {
  instances: Ref(PartDifference),
  nodes: Ref(PartDifference),
  groups: Ref(PartDifference),
  captures: Type.Optional({ ...Ref(PartDifference), description: 'By file. Absent where neither has captures.' })
}

export const RevisionDifference = Type.Object(
  {
    from: Ref(Revision),
    to: Ref(Revision),
    ...configurationDifference,
    bundle: Type.Optional({ ...Ref(BundleDifference), description: 'Where both have a bundle, and it is there.' })
  },
  {
    $id: 'RevisionDifference',
    ...closed,
    description: 'What is different between two revisions, as they were staged.',
    examples: [{ from: earlier, to: example, instances: nothing, nodes: PartDifference.examples?.[0], groups: nothing }]
  }
)
export type RevisionDifference = Static<typeof RevisionDifference>

export const revisionComponents = [
  Revision,
  RevisionList,
  RevisionDocument,
  FieldChange,
  PartChange,
  PartDifference,
  RevisionDifference
]
