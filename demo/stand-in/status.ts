import { writeFileSync } from 'node:fs'

/** The word that Zeek keeps in the file of "-U". */
export type Status = 'INITIALIZING' | 'RUNNING' | 'TERMINATING' | 'TERMINATED'

let file: string | undefined

export function keepStatus(path: string | undefined): void {
  file = path
  process.on('exit', () => setStatus('TERMINATED', 'atexit'))
  setStatus('INITIALIZING', 'main')
}

export function setStatus(status: Status, reason: string): void {
  if (file === undefined) return
  try {
    writeFileSync(file, `${status} [${reason}]\n`)
  } catch {
    process.stderr.write(`Failed to open process status file '${file}' [${status}]\n`)
  }
}
