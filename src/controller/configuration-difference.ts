import { isDeepStrictEqual } from 'node:util'
import type { FieldChange, PartChange, PartDifference, RevisionDifference } from '../../schemas/revisions.js'
import type { ClusterConfiguration } from '../../schemas/types.js'
import { looksSecret, type IsSecret } from '../security/secret-names.js'
import { mask } from '../security/secrets.js'
import { compare } from '../util.js'

/** The parts of a configuration that have names; captures have files. */
type Parts = Pick<ClusterConfiguration, 'instances' | 'nodes' | 'groups' | 'captures'>

/** Fields that are maps: their members are compared one by one. */
const maps = ['env', 'expected', 'labels', 'options'] as const
/** Those of them whose members can be secret. */
const keepers: readonly string[] = ['env', 'options']

/**
 * Returns what is different in a configuration since an earlier one: a pure function. Values are compared as they are;
 * those that are secret by their names are told masked.
 */
export function configurationDifference(
  before: Parts,
  after: Parts,
  isSecret: IsSecret = looksSecret
): Pick<RevisionDifference, keyof Parts> {
  const [earlier, later] = [before, after].map(({ captures }) =>
    captures?.map(({ file: name, ...capture }) => ({ name, ...capture }))
  )
  return {
    instances: differenceOf(before.instances, after.instances, isSecret),
    nodes: differenceOf(before.nodes, after.nodes, isSecret),
    groups: differenceOf(before.groups ?? [], after.groups ?? [], isSecret),
    ...(earlier || later ? { captures: differenceOf(earlier ?? [], later ?? [], isSecret) } : {})
  }
}

function differenceOf<T extends { name: string }>(
  before: readonly T[],
  after: readonly T[],
  isSecret: IsSecret
): PartDifference {
  const earlier = new Map(before.map(part => [part.name, part]))
  const later = new Map(after.map(part => [part.name, part]))
  const names = [...new Set([...earlier.keys(), ...later.keys()])].sort(compare)
  return {
    added: names.filter(name => !earlier.has(name)),
    removed: names.filter(name => !later.has(name)),
    changed: names.flatMap((name): PartChange[] => {
      const [old, now] = [earlier.get(name), later.get(name)]
      const fields = old && now ? changesOf(fieldsOf(old), fieldsOf(now), isSecret) : []
      return fields.length === 0 ? [] : [{ name, fields }]
    })
  }
}

interface Field {
  value: unknown
  /** The name of a member that can be secret. */
  member?: string | undefined
}

/** Returns the fields of a part by their names, and members of maps as `env.NAME`. */
function fieldsOf(part: object): Map<string, Field> {
  const fields = Object.entries(part).flatMap(([name, value]): [string, Field][] =>
    (maps as readonly string[]).includes(name)
      ? Object.entries(value as object).map(([member, value]) => [
          `${name}.${member}`,
          { value, member: keepers.includes(name) ? member : undefined }
        ])
      : [[name, { value }]]
  )
  return new Map(fields)
}

function changesOf(
  before: ReadonlyMap<string, Field>,
  after: ReadonlyMap<string, Field>,
  isSecret: IsSecret
): FieldChange[] {
  const shown = ({ value, member }: Field) => JSON.stringify(member !== undefined && isSecret(member) ? mask : value)
  return [...new Set([...before.keys(), ...after.keys()])].sort(compare).flatMap(field => {
    const [old, now] = [before.get(field), after.get(field)]
    if (isDeepStrictEqual(old, now)) return []
    return [{ field, ...(old ? { before: shown(old) } : {}), ...(now ? { after: shown(now) } : {}) }]
  })
}
