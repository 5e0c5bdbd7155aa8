import { spawnSync } from 'node:child_process'

/** Why something cannot be done here: commands that there are not, or that it takes root. False where it can. */
export function lacks(commands: readonly string[], { root = false } = {}): string | false {
  const missing = commands.filter(command => spawnSync('sh', ['-c', `command -v ${command}`]).status !== 0)
  if (missing.length > 0) return `there is no ${missing.join(', ')}`
  return root && process.getuid?.() !== 0 && 'only root can have a root of its own'
}
