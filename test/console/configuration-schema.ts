import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { ConfigurationSchema } from '../../console/model/configuration-schema.js'
import { packageRoot } from '../../src/util.js'

type Schemas = Record<string, unknown>

/** The schema of a configuration, as the builder of the console puts it into the page. */
export const schema = whole('ClusterConfigurationInput')

function whole(name: string): ConfigurationSchema {
  const document = parse(readFileSync(join(packageRoot, 'openapi.yaml'), 'utf8')) as {
    components: { schemas: Schemas }
  }
  return resolved(document.components.schemas[name], document.components.schemas) as ConfigurationSchema
}

function resolved(part: unknown, schemas: Schemas): unknown {
  if (Array.isArray(part)) return part.map(one => resolved(one, schemas))
  if (typeof part !== 'object' || part === null) return part
  const { $ref, ...rest } = part as { $ref?: string }
  const named = $ref === undefined ? {} : (resolved(schemas[$ref.split('/').at(-1)!], schemas) as object)
  return {
    ...named,
    ...Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, resolved(value, schemas)]))
  }
}
