import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { checker, components } from '../../schemas/validator.js'
import { invalid } from '../../src/errors.js'
import { renderOpenapi } from '../../scripts/openapi.js'
import { packageRoot } from '../../src/util.js'

const text = readFileSync(join(packageRoot, 'openapi.yaml'), 'utf8')

await t.test('openapi.yaml is what the routes and schemas say (npm run openapi writes it)', async t => {
  t.equal(text, await renderOpenapi())
})

await t.test('objects, enums and unions have names', async t => {
  const anonymous: string[] = []
  const look = (value: any, path: string[]): void => {
    if (typeof value !== 'object' || value === null) return
    const isNamed = path.length === 3 && path[0] === 'components'
    const isParameter = path.includes('parameters')
    if (
      !isNamed &&
      !isParameter &&
      (value.type === 'object' || Array.isArray(value.enum) || value.oneOf || value.anyOf) &&
      typeof value.const === 'undefined'
    ) {
      // The one value of a discriminator is no enum of its own.
      if (value.enum?.length !== 1) anonymous.push(path.join('/'))
    }
    for (const [key, member] of Object.entries(value)) {
      if (!['example', 'examples', 'mapping', 'properties'].includes(key) || key === 'properties') {
        look(member, [...path, key])
      }
    }
  }
  look(parse(text), [])
  t.same(anonymous, [])
})

await t.test('every component is an enum, or has an example that fits it', async t => {
  for (const component of components) {
    if (component.enum) continue
    const check = checker(component, invalid)
    t.ok(component.examples?.length > 0, `${component.$id} has an example`)
    for (const example of component.examples ?? []) {
      t.doesNotThrow(() => check(structuredClone(example), component.$id!))
    }
  }
})
