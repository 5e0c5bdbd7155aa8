import { bytes, count, plain } from '../model/format.js'
import { bitRate, byTraffic, losesPackets, type InstanceStats } from '../model/hosts.js'
import { StateMark } from '../parts/state-mark.js'
import { UseBar } from './bar.js'
import { Table } from '../parts/table.js'

/** The file systems that matter to an instance. */
export function Disks({ disks, name }: { disks: InstanceStats['file_systems']; name: string }) {
  return (
    <Table name={`Disks of ${name}`} columns={['Directory', 'Holds', 'Used', { number: 'Free' }]}>
      {disks.map(({ path, holds, size_bytes: size, free_bytes: free }) => (
        <tr key={path}>
          <th scope="row" class="text">
            {plain(path)}
          </th>
          <td>{plain(holds.join(', '))}</td>
          <td>
            <UseBar size={size} free={free} />
          </td>
          <td class="number">{bytes(free)}</td>
        </tr>
      ))}
    </Table>
  )
}

const interfaceColumns = [
  'Interface',
  'State',
  ...['Packets/s', 'Bits/s', 'Drops/s', 'Errors/s', 'Dropped', 'Errors'].map(number => ({ number }))
]

/** All interfaces of an instance, those first that see the most. */
export function Interfaces({ interfaces, name }: { interfaces: InstanceStats['interfaces']; name: string }) {
  return (
    <Table name={`Interfaces of ${name}`} columns={interfaceColumns} isTall>
      {byTraffic(interfaces).map(one => (
        <tr key={one.name}>
          <th scope="row" class="text">
            {losesPackets(one) && <StateMark tone="bad" />} {plain(one.name)}
          </th>
          <td>{one.up ? 'up' : 'down'}</td>
          <td class="number">{told(one.packets_per_second)}</td>
          <td class="number">{one.bytes_per_second === undefined ? '-' : bitRate(one.bytes_per_second)}</td>
          <td class="number">{told(one.dropped_per_second)}</td>
          <td class="number">{told(one.errors_per_second)}</td>
          <td class="number">{count(one.dropped)}</td>
          <td class="number">{count(one.errors)}</td>
        </tr>
      ))}
    </Table>
  )
}

const told = (rate: number | undefined) => (rate === undefined ? '-' : count(rate))

/** Zeek processes that the agent has not started. */
export function Foreign({ foreign, name }: { foreign: InstanceStats['foreign']; name: string }) {
  return (
    <Table name={`Other Zeek processes of ${name}`} columns={['Process', 'Command']} isTall>
      {foreign.map(({ pid, command }) => (
        <tr key={pid}>
          <th scope="row">{pid}</th>
          <td class="text">
            <code>{plain(command)}</code>
          </td>
        </tr>
      ))}
    </Table>
  )
}
