import { plain } from '../model/format.js'
import type { Schema } from '../model/types.js'
import { StateMark } from './state-mark.js'

/** What a check has found, in the words of Zeek or of the host, each with its place in a script. */
export function Findings({ findings }: { findings: readonly Schema['Finding'][] }) {
  return (
    <ul class="findings">
      {findings.map(({ level, message, file, line }, index) => (
        <li key={index}>
          <StateMark tone={level === 'error' ? 'bad' : 'doubt'} /> {level}:{' '}
          {file !== undefined && (
            <code>
              {plain(file)}
              {line !== undefined && `:${line}`}
            </code>
          )}{' '}
          <span class="text">{plain(message)}</span>
        </li>
      ))}
    </ul>
  )
}
