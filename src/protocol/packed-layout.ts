import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { brotliCompress, brotliDecompress, constants } from 'node:zlib'
import { Type, type Static } from '@sinclair/typebox'
import { Layout, type LayoutNode } from '../../schemas/agent.js'
import { checker } from '../../schemas/validator.js'
import { AppError, invalid } from '../errors.js'
import { defined } from '../util.js'
import { Series, Step } from './series.js'

const compress = promisify(brotliCompress)
const decompress = promisify(brotliDecompress)
const checkLayout = checker(Layout, invalid)

/** Largest layout, in bytes: one of a hundred thousand nodes fits. */
const maxBytes = 64 * 1024 * 1024

/** The members of a node as texts, in the order in which its digest has them; empty what it lacks. */
const textsOf = ({ name, role, host, port, metrics_port: metricsPort }: LayoutNode): string[] =>
  [name, role, host, port, metricsPort].map(member => String(member ?? ''))
/** The node of these texts, if they are one's. */
const nodeOf = ([name, role, host, port, metricsPort]: string[]) =>
  defined({
    name,
    role,
    host,
    port: port ? Number(port) : undefined,
    metrics_port: metricsPort ? Number(metricsPort) : undefined
  }) as LayoutNode
const newSeries = () => Array.from({ length: 5 }, () => new Series())

/** A layout whose nodes are rows: the steps to the texts of each from those of the one before. */
const Rows = Type.Object({ ...Layout.properties, nodes: Type.Array(Type.Array(Step, { minItems: 5, maxItems: 5 })) })
const checkRows = checker(Rows, wrong)

function toRows(layout: Layout): Static<typeof Rows> {
  const series = newSeries()
  return { ...layout, nodes: layout.nodes.map(node => textsOf(node).map((text, at) => series[at]!.stepTo(text))) }
}

/** Returns what should be a layout. Throws an AppError when it is larger than any: short rows can be of long texts. */
function fromRows(rows: Static<typeof Rows>): Layout {
  const series = newSeries()
  let bytes = 0
  const nodes = rows.nodes.map(row => {
    const texts = row.map((step, at) => series[at]!.take(step))
    bytes += texts.join().length
    if (bytes > maxBytes) throw new AppError('invalid_request', `the layout is larger than ${maxBytes} bytes`)
    return nodeOf(texts)
  })
  return { ...rows, nodes }
}

/**
 * Returns a function that makes something of a layout once: layouts never change, and the same one is used for long.
 */
function onceOf<T>(make: (layout: Layout) => T): (layout: Layout) => T {
  const made = new WeakMap<Layout, T>()
  return layout => {
    const known = made.get(layout)
    if (known !== undefined) return known
    const value = make(layout)
    made.set(layout, value)
    return value
  }
}

/** Returns a digest that names a layout: it stays the same when the layout is written down and read again. */
export const digestOf = onceOf((layout): string => digest(JSON.stringify(layout)))

/** Packs a layout for sending. Nodes that count on take next to nothing, others what in them is new. */
export const packLayout = onceOf((layout): Promise<string> => pack(toRows(layout), 9))

/**
 * Packs a layout for agents before version 14, which know no rows. Quality 5 is as small as 9 here, in a tenth of the
 * time.
 */
export const packWhole = onceOf((layout): Promise<string> => pack(layout, 5))

async function pack(value: object, quality: number): Promise<string> {
  const params = { [constants.BROTLI_PARAM_QUALITY]: quality }
  return (await compress(JSON.stringify(value), { params })).toString('base64')
}

/** Unpacks a layout. Throws an AppError when it is not the one of that digest. */
export async function unpackLayout(packed: string, expected: string): Promise<Layout> {
  const text = await decompress(Buffer.from(packed, 'base64'), { maxOutputLength: maxBytes }).then(String, () => '')
  // Controllers before version 14 send it whole.
  const value = parsed(text)
  const layout = digest(text) === expected ? (value as Layout) : fromRows(checkRows(value, 'layout'))
  if (digestOf(layout) !== expected) throw wrong()
  return checkLayout(layout, 'layout')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw wrong()
  }
}

function wrong(): AppError {
  return new AppError('invalid_request', 'the layout is not the one that was asked for')
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
