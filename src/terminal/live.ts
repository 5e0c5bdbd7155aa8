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
  let columns = output.columns ?? 0
  return {
    draw: lines => {
      // Narrower than before, the terminal has wrapped what was drawn, in a way of its own: begin with an empty screen.
      if ((output.columns ?? 0) < columns) {
        update.clear()
        output.write(emptyScreen)
      }
      columns = output.columns ?? 0
      const room = Math.max(3, (output.rows || 24) - 1)
      update(lines.slice(0, room).join('\n'))
    },
    end: () => update.done()
  }
}

/** Erases all, and goes to the first line. */
const emptyScreen = '\u001b[2J\u001b[H'
