const nodes = {
  manager: ['instance = sensor-1', 'role = manager'],
  'logger-1': ['instance = sensor-1', 'role = logger'],
  'worker-1': ['instance = sensor-2', 'role = worker', 'interface = lo'],
  'worker-2': ['instance = sensor-3', 'role = worker', 'interface = lo']
}

export const three = ['sensor-1', 'sensor-2', 'sensor-3'] as const

/** The text of a cluster.cfg: nodes on three instances, and lines that go at the end of a node's section. */
export function clusterCfg(
  lines: Partial<Record<keyof typeof nodes, string>> = {},
  instances: readonly string[] = three
): string {
  const sections = Object.entries(nodes).map(([name, all]) => [
    `[${name}]`,
    ...all,
    lines[name as keyof typeof nodes] ?? ''
  ])
  return [['[instances]', ...instances], ...sections].map(section => `${section.join('\n').trimEnd()}\n`).join('\n')
}

/** What zeek-client prints when all of them are deployed. */
export const deployed = {
  errors: [],
  results: {
    id: String,
    nodes: {
      manager: { instance: 'sensor-1', success: true },
      'logger-1': { instance: 'sensor-1', success: true },
      'worker-1': { instance: 'sensor-2', success: true },
      'worker-2': { instance: 'sensor-3', success: true }
    }
  }
}
