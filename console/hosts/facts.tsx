import { Link } from '../parts/link.js'
import { count, counted, plain } from '../model/format.js'
import {
  agentOf,
  bitRate,
  losesPackets,
  type Host,
  type InstanceStats,
  type Oddity,
  type Versions,
  zeekOf
} from '../model/hosts.js'
import { countStates, toneOf } from '../model/states.js'
import { StateMark } from '../parts/state-mark.js'
import { Ago, Time } from '../parts/time.js'

/** Whether a host is connected, and since when. */
export function Connection({ instance, isShort = false }: Pick<Host, 'instance'> & { isShort?: boolean }) {
  const isConnected = instance?.connected === true
  const { connected_at: at } = instance ?? {}
  return (
    <>
      <span class="state">
        <StateMark tone={isConnected ? 'good' : 'bad'} /> {isConnected ? 'connected' : 'not connected'}
      </span>
      {isConnected && at !== undefined && (
        <span class="aside">
          {' '}
          {!isShort && (
            <>
              since <Time at={at} form="day" />,{' '}
            </>
          )}
          <Ago at={at} />
        </span>
      )}
    </>
  )
}

/** What is odd about a host. */
export function Oddities({ of: odd, name }: { of: readonly Oddity[]; name: string }) {
  if (odd.length === 0) return null
  return (
    <ul class="oddities" aria-label={`What is odd about ${name}`}>
      {odd.map(({ tone, text }) => (
        <li key={text}>
          <StateMark tone={tone} /> {text}
        </li>
      ))}
    </ul>
  )
}

/** Its address and versions, as terms of a list. */
export function Identity({ host, versions }: { host: Host; versions: Versions }) {
  const { name, instance } = host
  return (
    <>
      <dt>Address</dt>
      <dd>
        {instance?.host ?? '-'}
        {instance?.listen_port !== undefined && `, port ${instance.listen_port} is dialled`}
      </dd>
      <dt>Versions</dt>
      <dd>
        <Version name="agent" value={agentOf(host)} isOther={versions.agent.others.has(name)} />,{' '}
        <Version name="Zeek" value={zeekOf(host)} isOther={versions.zeek.others.has(name)} />
      </dd>
      {instance?.certificate_expires_at !== undefined && (
        <>
          <dt>Certificate</dt>
          <dd>
            until <Time at={instance.certificate_expires_at} form="day" />
          </dd>
        </>
      )}
    </>
  )
}

function Version({ name, value, isOther }: { name: string; value: string | undefined; isOther: boolean }) {
  const text = `${name} ${value === undefined ? 'not known' : plain(value)}`
  if (!isOther) return <>{text}</>
  return (
    <strong class="other">
      <StateMark tone="doubt" /> {text}
    </strong>
  )
}

/** Its nodes by state, each a link to those. */
export function NodeCounts({ name, nodes }: Pick<Host, 'name' | 'nodes'>) {
  if (nodes.length === 0) return <>none</>
  return (
    <span class="counts">
      {countStates(nodes).map(([state, number]) => (
        <Link key={state} href={`/nodes?instance=${encodeURIComponent(name)}&state=${state}`} class="state">
          <StateMark tone={toneOf(state)} /> {number} {state}
        </Link>
      ))}
    </span>
  )
}

/** The load of a host, in words. */
export const loadText = ({ load, cpus }: InstanceStats): string =>
  `${load.map(value => value.toFixed(2)).join(', ')} on ${counted(cpus, 'processor')}`

/** What an interface receives now, in words. */
export function InterfaceRates({ of: one }: { of: InstanceStats['interfaces'][number] }) {
  const {
    up,
    packets_per_second: packets,
    bytes_per_second: bytes = 0,
    dropped_per_second: dropped = 0,
    errors_per_second: errors = 0
  } = one
  if (!up) return <>down</>
  if (packets === undefined) return <>up</>
  return (
    <>
      {count(packets)} packets/s, {bitRate(bytes)}
      {losesPackets(one) && (
        <strong>
          {' '}
          <StateMark tone="bad" /> drops {count(dropped)}/s, errors {count(errors)}/s
        </strong>
      )}
    </>
  )
}
