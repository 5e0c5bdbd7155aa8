import swagger from '@fastify/swagger'
import { credentials } from '../schemas/access.js'
import { cutKeyword, openapiKeyword, type InOpenapi } from '../schemas/basics.js'
import { components } from '../schemas/validator.js'
import type { createServer } from '../src/server/server.js'
import { packageVersion } from '../src/util.js'

type Server = Awaited<ReturnType<typeof createServer>>

const openapi: Parameters<typeof swagger>[1] = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'zeek-cluster-controller',
      version: packageVersion,
      description:
        'Runs a Zeek cluster over many hosts: POST a request event, get a request ID, and hear of the response over Server-Sent Events. Answers and events may get new members, enums that are marked `x-extensible-enum` new values, and streams new types of events: clients ignore what they do not know.',
      license: { name: 'BSD-3-Clause', identifier: 'BSD-3-Clause' },
      contact: { name: 'zeek-cluster-controller' }
    },
    servers: [
      { url: '/', description: 'Where this document was read' },
      { url: 'http://127.0.0.1:2149', description: 'A controller on this host' }
    ],
    security: credentials,
    tags: [
      { name: 'requests', description: 'Submit requests and read their results' },
      { name: 'events', description: 'Event streams' },
      { name: 'state', description: 'Instances, nodes and configurations' },
      { name: 'bundles', description: 'Files that nodes load' },
      { name: 'revisions', description: 'Deployments that can be deployed again' },
      { name: 'notifications', description: 'What operators are told' },
      { name: 'monitoring', description: 'Health and metrics' },
      { name: 'session', description: 'Browser sessions and tickets' },
      { name: 'tokens', description: 'Tokens of clients and agents' },
      { name: 'joining', description: 'How hosts become agents' },
      { name: 'audit', description: 'Audit log' },
      { name: 'testing', description: 'For those who test clients' }
    ],
    components: {
      securitySchemes: {
        bearerToken: {
          type: 'http',
          scheme: 'bearer',
          description:
            'Where controller_authentication is token: one that `zeek-cluster token create` has printed. `x-role` of an operation is the least role that may ask; `join` is for tokens of that role alone. Who is limited to instances with labels may ask only where `x-limited` is true, and is answered as if there were nothing but these. A request needs neither a token nor a session where controller_authentication is none, or where the connection has a client certificate, whose O is the role.'
        },
        sessionCookie: {
          type: 'apiKey',
          in: 'cookie',
          name: 'zeek-cluster-session',
          description:
            'The cookie of a browser session, which `log_in` opens; with TLS its name begins with `__Host-`. What is not GET needs an `Origin`, too.'
        },
        streamTicket: {
          type: 'apiKey',
          in: 'query',
          name: 'ticket',
          description: 'From `create_ticket`, for an EventSource without a session: opens one event stream, once.'
        }
      }
    }
  },
  refResolver: { buildLocalReference: (schema, _base, _fragment, index) => String(schema.$id ?? `schema-${index}`) }
}

/** Has a server gather what its routes and their schemas say, for documentOf. There must be no routes yet. */
export async function describe(app: Server): Promise<void> {
  for (const component of components) app.addSchema(component)
  await app.register(swagger, openapi)
}

interface Schema {
  [keyword: string]: unknown
  $ref?: string
  type?: string
  items?: Schema
  properties?: object
  enum?: unknown[]
  description?: string
  examples?: unknown[]
}

/** The parts of a document that are used here. Of each, the plugin may have left `x-openapi`. */
interface Reference {
  $ref: string
}
interface Parameter {
  name: string
  in: string
  required: boolean
  schema: Schema
  description?: string
  example?: unknown
}
interface Media {
  schema: Schema
  example?: unknown
  [openapiKeyword]?: InOpenapi
}
interface Body {
  description?: string
  required?: boolean
  content?: Record<string, Media>
}
interface Operation {
  parameters?: (Parameter | Reference)[]
  requestBody?: Body
  responses: Record<string, Body | Reference>
}
interface Document {
  [part: string]: unknown
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema>; parameters?: object; responses?: object }
}

/** Returns the OpenAPI document: what the plugin makes of the routes, with what it has no way to say. */
export function documentOf(app: Server): object {
  const { paths, components, ...head } = structuredClone(app.swagger()) as unknown as Document
  const operations = Object.values(paths).flatMap(methods => Object.values(methods))
  const shared = { parameters: {}, responses: {} }
  for (const operation of operations) finish(operation, components.schemas, shared)
  openAnswers(operations, components.schemas)
  const document = { ...head, paths, components: { ...components, ...shared } }
  tidy(document)
  return document
}

type Shared = Record<'parameters' | 'responses', Record<string, object>>

/** Completes an operation, and moves what it shares with others to where it refers to. */
function finish(operation: Operation, schemas: Document['components']['schemas'], shared: Shared): void {
  const place = <T extends object>(kind: keyof Shared, name: string | undefined, value: T): T | Reference => {
    if (name === undefined) return value
    shared[kind][name] ??= value
    return { $ref: `#/components/${kind}/${name}` }
  }
  const parameters = (operation.parameters as Parameter[] | undefined)?.flatMap(parameter => {
    const { [openapiKeyword]: said = {}, ...schema } = parameter.schema as { [openapiKeyword]?: InOpenapi }
    if (said.hidden) return []
    return place('parameters', said.shared, finishedParameter({ ...parameter, schema }, said, schemas))
  })
  if (parameters) operation.parameters = parameters
  finishRequest(operation, schemas)
  for (const [status, response] of Object.entries(operation.responses)) {
    operation.responses[status] = place('responses', finishMedia(response as Body, schemas), response)
  }
}

function finishRequest(operation: Operation, schemas: Record<string, Schema>): void {
  const { requestBody } = operation
  if (!requestBody) return
  const { content = {} } = requestBody
  const { schema } = content['application/json'] ?? Object.values(content)[0]!
  const { description, properties, required } = resolve(schema, schemas)
  if (properties === undefined || Object.keys(properties).length > 0) {
    finishMedia(requestBody, schemas)
    requestBody.description ??= description!
    // Without a body, the arguments have their defaults.
    requestBody.required = properties === undefined || required !== undefined
  } else {
    // There are no arguments.
    delete operation.requestBody
    delete schemas[nameOf(schema.$ref!)]
  }
}

/** Returns a parameter with what is said of it, and otherwise with what its schema says. */
function finishedParameter(
  { name, required, schema, description, example: given, ...parameter }: Parameter,
  said: InOpenapi,
  schemas: Record<string, Schema>
): Parameter {
  const whole = resolve(schema, schemas)
  const example = said.example ?? given ?? whole.examples?.[0] ?? whole.enum?.[0]
  const common = { name: said.name ?? name, ...parameter, description: description ?? whole.description! }
  if (parameter.in === 'path') return { ...common, required, schema, example }
  // Swagger UI sends the example of a parameter, unless it is one of its schema.
  const { description: _description, ...rest } = (said.schema as Schema | undefined) ?? whole
  // What has a default may be left out.
  return { ...common, required: required && whole.default === undefined, schema: { ...rest, examples: [example] } }
}

/** Gives each media type an example. Returns the name under which the answer is shared. */
function finishMedia({ content = {} }: Body, schemas: Record<string, Schema>): string | undefined {
  let name: string | undefined
  for (const media of Object.values(content)) {
    const said = media[openapiKeyword]
    delete media[openapiKeyword]
    name ??= said?.shared
    const { schema: other } = (media.schema as { [openapiKeyword]?: InOpenapi })[openapiKeyword] ?? {}
    if (other) media.schema = other as Schema
    media.example ??= said?.example ?? exampleOf(media.schema, schemas)
  }
  return name
}

function exampleOf(schema: Schema, schemas: Record<string, Schema>): unknown {
  const { examples, items } = resolve(schema, schemas)
  return examples ? examples[0] : items && [exampleOf(items, schemas)]
}

const nameOf = ($ref: string) => $ref.slice('#/components/schemas/'.length)
const resolve = (schema: Schema, schemas: Record<string, Schema>): Schema =>
  schema.$ref === undefined ? schema : schemas[nameOf(schema.$ref)]!

/** Opens the objects that clients get: only what they send has no other members than those that are named. */
function openAnswers(operations: readonly Operation[], schemas: Record<string, Schema>): void {
  const sent = new Set<string>()
  const follow = (value: unknown) => {
    for (const { $ref } of objectsIn(value)) {
      if (typeof $ref !== 'string' || sent.has(nameOf($ref))) continue
      sent.add(nameOf($ref))
      follow(schemas[nameOf($ref)])
    }
  }
  for (const { requestBody } of operations) follow(requestBody)
  for (const [name, schema] of Object.entries(schemas)) {
    if (sent.has(name)) continue
    for (const part of objectsIn(schema)) if (part.additionalProperties === false) delete part.additionalProperties
  }
}

/** Keywords of our own checks, which mean nothing to others. */
const own = [cutKeyword, 'x-expected']

/** Leaves out what only our own checks know, and says of large integers that they are. */
function tidy(document: object): void {
  for (const part of objectsIn(document)) {
    for (const keyword of own) delete part[keyword]
    if (part.format === 'ip') delete part.format
    // Generators take an integer for one of 32 bits.
    if (part.type === 'integer' && (part.maximum as number) >= 2 ** 31) part.format = 'int64'
  }
}

/** Yields every object in a value, examples excepted. */
function* objectsIn(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) yield value as Record<string, unknown>
  for (const [key, member] of Object.entries(value)) if (!/^examples?$/.test(key)) yield* objectsIn(member)
}
