import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { error, fatal } from './report.js'
import { findScript, HOME, type Scripts } from './scripts.js'
import { Tokens } from './tokens.js'
import { unquote } from './value.js'

export interface LayoutNode {
  type: 'MANAGER' | 'LOGGER' | 'PROXY' | 'WORKER'
  ip: string
  port?: number
  manager?: string
  metricsPort?: number
}

export interface Layout {
  nodes: Map<string, LayoutNode>
  /** The other redefs: names and expressions. */
  redefs: Map<string, string>
}

const LOADED_BY = `${HOME}/base/frameworks/cluster/__load__.zeek, line 36`

/** Reads cluster-layout.zeek, which Zeek loads as soon as CLUSTER_NODE is set. */
export function readLayout(scripts: Scripts): Layout {
  const file = findScript('cluster-layout')
  if (file === undefined) fatal("can't find cluster-layout", LOADED_BY)
  scripts.note(file)
  const tokens = new Tokens(file, readFileSync(file, 'utf8'))
  const layout: Layout = { nodes: new Map(), redefs: new Map() }
  while (!tokens.done) readStatement(tokens, layout, scripts)
  return layout
}

function readStatement(tokens: Tokens, layout: Layout, scripts: Scripts): void {
  const word = tokens.take(/^(?:redef$|module$|@load)/)
  if (word.startsWith('@load')) {
    scripts.load(word.slice('@load'.length).trim(), tokens.where())
  } else if (word === 'module') {
    tokens.statement()
  } else {
    const name = tokens.take(/^[A-Za-z_][\w:]*$/)
    const operator = tokens.take(/^(?:\+|-)?=$/)
    if (name === 'Cluster::nodes') {
      if (operator === '=') layout.nodes.clear()
      readNodes(tokens, layout)
    } else {
      layout.redefs.set(name, tokens.statement())
    }
  }
}

function readNodes(tokens: Tokens, { nodes }: Layout): void {
  tokens.take('{')
  while (!tokens.skip('}')) {
    tokens.take('[')
    const name = unquote(tokens.take(/^"/))!
    tokens.take(']')
    tokens.take('=')
    tokens.take('[')
    nodes.set(name, readNode(tokens))
    if (!tokens.skip(',') && tokens.peek() !== '}') tokens.take('}')
  }
  tokens.take(';')
}

function readNode(tokens: Tokens): LayoutNode {
  const node: Partial<LayoutNode> = {}
  while (!tokens.skip(']')) {
    tokens.take('$')
    const field = tokens.take(/^\w+$/)
    tokens.take('=')
    readField(field, tokens, node)
    if (!tokens.skip(',') && tokens.peek() !== ']') tokens.take(']')
  }
  const { type, ip } = node
  if (type === undefined || ip === undefined) {
    const missing = type === undefined ? 'node_type' : 'ip'
    error(`required field "${missing}" missing in initialization of Cluster::Node`, tokens.where())
    process.exit(1)
  }
  return { ...node, type, ip }
}

function readField(field: string, tokens: Tokens, node: Partial<LayoutNode>): void {
  switch (field) {
    case 'node_type':
      node.type = tokens.take(/^Cluster::(?:MANAGER|LOGGER|PROXY|WORKER)$/).slice(9) as LayoutNode['type']
      break
    case 'ip':
      node.ip = tokens.take().replace(/^\[(.*)\]$/, '$1')
      if (isIP(node.ip) === 0) tokens.fail(node.ip)
      break
    case 'p':
      node.port = Number.parseInt(tokens.take(/^\d+\/(?:tcp|udp|unknown)$/), 10)
      break
    case 'metrics_port':
      node.metricsPort = Number.parseInt(tokens.take(/^\d+\/(?:tcp|unknown)$/), 10)
      break
    case 'manager':
      node.manager = unquote(tokens.take(/^"/))!
      break
    case 'id':
    case 'zone_id':
      tokens.take(/^"/)
      break
    default:
      error(`no such field in record (Cluster::Node$${field})`, tokens.where())
      process.exit(1)
  }
}
