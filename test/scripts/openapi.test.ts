import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { checker, components } from '../../schemas/validator.js'
import { invalid } from '../../src/errors.js'
import { renderOpenapi } from '../../scripts/openapi.js'
import { packageRoot } from '../../src/util.js'

// Of the package as it comes: what scripts/dependencies.ts makes of it has its entry only.
const { Ajv2020 } = createRequire(join(packageRoot, 'package.json'))(
  'ajv/dist/2020.js'
) as typeof import('ajv/dist/2020.js')

const text = readFileSync(join(packageRoot, 'openapi.yaml'), 'utf8')
const document = parse(text)

/** The part of the document that a reference leads to. */
const resolve = (part: any): any =>
  part.$ref === undefined
    ? part
    : part.$ref
        .slice(2)
        .split('/')
        .reduce((at: any, key: string) => at[key], document)

const operations = Object.entries<any>(document.paths).flatMap(([path, methods]) =>
  Object.entries<any>(methods).map(([method, operation]) => ({ name: `${method} ${path}`, ...operation }))
)

/** Every parameter, request and answer, with a name for people. */
function* bodies(): Generator<{ name: string; body: any }> {
  for (const { name, parameters = [], requestBody, responses } of operations) {
    for (const one of parameters) yield { name: `${name}, ${resolve(one).name}`, body: resolve(one) }
    if (requestBody) yield { name: `${name}, body`, body: resolve(requestBody) }
    for (const [status, one] of Object.entries(responses)) yield { name: `${name}, ${status}`, body: resolve(one) }
  }
}

await t.test('openapi.yaml is what the routes and schemas say (npm run openapi writes it)', async t => {
  t.equal(text, await renderOpenapi())
})

await t.test('the linter has nothing to say', async t => {
  const linter = join(packageRoot, 'node_modules/@redocly/cli/bin/cli.js')
  const { stdout } = await promisify(execFile)(process.execPath, [linter, 'lint', '--format=json', 'openapi.yaml'], {
    cwd: packageRoot,
    env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
  })
  t.same(JSON.parse(stdout).problems, [])
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
  look(document, [])
  t.same(anonymous, [])
})

await t.test('every operation, parameter, request and answer has a description', async t => {
  for (const { name, summary, description } of operations) t.ok(summary && description, name)
  for (const { name, body } of bodies()) t.ok(body.description, name)
})

await t.test('every parameter and media type has an example, and every example fits its schema', async t => {
  const ajv = new Ajv2020({
    strict: false,
    formats: { 'date-time': (text: string) => !Number.isNaN(Date.parse(text)), int64: true, 'uri-reference': true }
  })
  ajv.addSchema({ ...document, $id: 'document' })
  const check = (name: string, place: string[], values: unknown[]) => {
    t.ok(values.length > 0 && values[0] !== undefined, `${name} has an example`)
    const pointer = place.map(key => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')
    const validate = ajv.getSchema(`document#/${pointer}`)!
    for (const value of values) t.ok(validate(value), `${name}: ${ajv.errorsText(validate.errors)}`)
  }
  const look = (value: any, path: string[]): void => {
    if (typeof value !== 'object' || value === null) return
    const isSchema = typeof value.type === 'string' && !path.includes('securitySchemes')
    // Parameters and media types.
    if (value.schema && !path.includes('headers')) {
      check(path.join('/'), [...path, 'schema'], [value.example ?? value.schema.examples?.[0]])
    }
    if (isSchema && value.examples) check(path.join('/'), path, value.examples)
    for (const [key, member] of Object.entries(value)) {
      if (key !== 'example' && key !== 'examples') look(member, [...path, key])
    }
  }
  look(document, [])
})

await t.test('what clients get may have more members, what they send may not', async t => {
  const reachable = (parts: unknown[]) => {
    const found = new Set<any>()
    const follow = (value: any): void => {
      if (typeof value !== 'object' || value === null) return
      if (typeof value.$ref === 'string') follow(resolve(value))
      else if (!found.has(value)) {
        found.add(value)
        for (const [key, member] of Object.entries(value)) if (!/^examples?$/.test(key)) follow(member)
      }
    }
    parts.forEach(follow)
    return [...found]
  }
  const got = reachable(operations.map(({ responses }) => responses))
  t.same(
    got.filter(({ additionalProperties }) => additionalProperties === false),
    []
  )
  const sent = reachable(operations.map(({ requestBody }) => requestBody))
  t.same(
    sent.filter(({ properties, additionalProperties }) => properties?.$ref && additionalProperties !== false),
    []
  )
})

await t.test('every component is an enum, or has an example that fits it', async t => {
  for (const component of components) {
    if (component.enum || component['x-extensible-enum']) continue
    const check = checker(component, invalid)
    t.ok(component.examples?.length > 0, `${component.$id} has an example`)
    for (const example of component.examples ?? []) {
      t.doesNotThrow(() => check(structuredClone(example), component.$id!))
    }
  }
})
