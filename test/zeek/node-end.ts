import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The node's end of a channel, played by a test: what zeek-cluster-controller.zeek writes and reads. */
export class NodeEnd {
  readonly directory: string
  readonly invocation: string

  constructor(directory: string, invocation = 'run-1') {
    this.directory = directory
    this.invocation = invocation
  }

  beat(more: object = {}): void {
    writeFileSync(
      join(this.directory, 'beat'),
      `${JSON.stringify({ invocation: this.invocation, beat: 1, joined: true, unseen: [], ...more })}\n`
    )
  }

  load(...scripts: string[]): void {
    writeFileSync(join(this.directory, 'loaded'), `${JSON.stringify({ invocation: this.invocation, scripts })}\n`)
  }

  tell(text: string): void {
    appendFileSync(join(this.directory, 'tell'), text)
  }

  answer(number: number, more: object): void {
    this.tell(`\n${JSON.stringify({ invocation: this.invocation, number, ...more })}\n`)
  }

  /** The questions that are to be read now. */
  questions(): { number: number; id: string }[] {
    const path = join(this.directory, 'ask')
    const lines = existsSync(path)
      ? readFileSync(path, 'utf8')
          .split('\n')
          .filter(line => line !== '')
      : []
    return lines.map(line => ({ number: Number(line.split(' ')[0]), id: line.split(' ')[1]! }))
  }
}
