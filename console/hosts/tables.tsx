import { bytes, count, plain } from '../model/format.js'
import { bitRate, byTraffic, losesPackets, type InstanceStats } from '../model/hosts.js'
import { StateMark } from '../parts/state-mark.js'
import { UseBar } from './bar.js'

/** The file systems that matter to an instance. */
export function Disks({ disks, name }: { disks: InstanceStats['file_systems']; name: string }) {
  return (
    <div class="table" tabIndex={0} role="region" aria-label={`Disks of ${name}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Directory</th>
            <th scope="col">Holds</th>
            <th scope="col">Used</th>
            <th scope="col" class="number">
              Free
            </th>
          </tr>
        </thead>
        <tbody>
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
        </tbody>
      </table>
    </div>
  )
}

/** All interfaces of an instance, those first that see the most. */
export function Interfaces({ interfaces, name }: { interfaces: InstanceStats['interfaces']; name: string }) {
  return (
    <div class="table tall" tabIndex={0} role="region" aria-label={`Interfaces of ${name}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Interface</th>
            <th scope="col">State</th>
            {['Packets/s', 'Bits/s', 'Drops/s', 'Errors/s', 'Dropped', 'Errors'].map(title => (
              <th scope="col" key={title} class="number">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
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
        </tbody>
      </table>
    </div>
  )
}

const told = (rate: number | undefined) => (rate === undefined ? '-' : count(rate))

/** Zeek processes that the agent has not started. */
export function Foreign({ foreign, name }: { foreign: InstanceStats['foreign']; name: string }) {
  return (
    <div class="table tall" tabIndex={0} role="region" aria-label={`Other Zeek processes of ${name}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Process</th>
            <th scope="col">Command</th>
          </tr>
        </thead>
        <tbody>
          {foreign.map(({ pid, command }) => (
            <tr key={pid}>
              <th scope="row">{pid}</th>
              <td class="text">
                <code>{plain(command)}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
