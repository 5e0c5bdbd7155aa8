import type { Writable } from 'node:stream'

/** Lines at the end of a terminal that are drawn anew. */
export interface Live {
  draw(lines: readonly string[]): void
  /** Leaves what was drawn last, and shows the cursor. */
  end(): void
}

/** Returns live lines on a terminal, at most as many as it has rows. */
export async function liveOn(output: Writable & { rows?: number; columns?: number }): Promise<Live> {
  const { createLogUpdate } = await import('log-update')
  const update = createLogUpdate(output as never)
  return {
    draw: lines => {
      const room = Math.max(3, (output.rows || 24) - 1)
      update(lines.slice(0, room).join('\n'))
    },
    end: () => update.done()
  }
}
