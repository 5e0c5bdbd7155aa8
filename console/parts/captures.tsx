import { differingLogs } from '../../src/client/captures.js'
import { bytes, lag, plain } from '../model/format.js'
import type { Schema } from '../model/types.js'
import { StateMark } from './state-mark.js'
import { Table } from './table.js'

/** What Zeek has made of captures: what each took, and which logs are others than before, or than expected. */
export function Captures({ captures }: { captures: readonly Schema['CaptureResult'][] }) {
  const logs = differingLogs(captures)
  return (
    <>
      <Table name="Captures" columns={['Capture', { number: 'Time' }, { number: 'Memory' }, 'Logs']}>
        {captures.map(({ file, error, seconds, memory_bytes: memory, logs: all }) => (
          <tr key={file}>
            <th scope="row">{plain(file)}</th>
            <td class="number">{lag(seconds)}</td>
            <td class="number">{bytes(memory)}</td>
            <td class="text">
              {error === undefined ? (
                `${all.length}${logs.some(log => log.file === file) ? '' : ', as they should be'}`
              ) : (
                <>
                  <StateMark tone="bad" /> {plain(error)}
                </>
              )}
            </td>
          </tr>
        ))}
      </Table>
      {logs.length > 0 && (
        <Table
          name="Logs that differ"
          columns={['Capture', 'Log', { number: 'Before' }, { number: 'Now' }, { number: 'Expected' }]}
        >
          {logs.map(({ file, log, before, now, expected, lost }) => (
            <tr key={`${file} ${log}`}>
              <td>{plain(file)}</td>
              <th scope="row">
                <StateMark tone={lost ? 'bad' : 'doubt'} /> {plain(log)}
              </th>
              <td class="number">{before ?? '–'}</td>
              <td class="number">{now}</td>
              <td class="number">{expected ?? '–'}</td>
            </tr>
          ))}
        </Table>
      )}
    </>
  )
}
