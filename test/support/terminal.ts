import pty from '@lydell/node-pty'
import xterm from '@xterm/headless'
import type { Test } from 'tap'
import { mainProgram } from './environment.js'
import { plainEnv } from './command.js'

/** A command at a terminal of its own. */
export interface Terminal {
  /** What is on the screen: its lines, without spaces at their ends. */
  screen(): string[]
  /** All that the command has written. */
  written(): string
  isCursorVisible(): boolean
  type(text: string): void
  resize(columns: number, rows: number): void
  /** Resolves with the exit code. */
  ended: Promise<number>
}

/** Starts the real program at a terminal. */
export function startAtTerminal(
  t: Test,
  args: readonly string[],
  { env = {}, columns = 80, rows = 24 }: { env?: NodeJS.ProcessEnv; columns?: number; rows?: number } = {}
): Terminal {
  const child = pty.spawn(process.execPath, [mainProgram, ...args], {
    cols: columns,
    rows,
    env: { ...plainEnv, TERM: 'xterm-256color', ...env }
  })
  const screen = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true })
  let written = ''
  const parsed: Promise<void>[] = []
  child.onData(text => {
    written += text
    parsed.push(new Promise(resolve => screen.write(text, resolve)))
  })
  let isOver = false
  const ended = new Promise<number>(resolve =>
    child.onExit(({ exitCode }) => {
      isOver = true
      // What it wrote last may come after its end.
      setImmediate(() => resolve(Promise.all(parsed).then(() => exitCode)))
    })
  )
  t.teardown(() => {
    if (!isOver) child.kill('SIGKILL')
    screen.dispose()
  })
  return {
    ended,
    screen: () => {
      const { active } = screen.buffer
      return Array.from({ length: screen.rows }, (_, row) =>
        active.getLine(active.baseY + row)!.translateToString(true)
      )
    },
    written: () => written,
    // The last word on it wins.
    isCursorVisible: () => written.lastIndexOf('\u001b[?25h') >= written.lastIndexOf('\u001b[?25l'),
    type: text => child.write(text),
    resize: (columns, rows) => {
      screen.resize(columns, rows)
      child.resize(columns, rows)
    }
  }
}
