import { Type, type Static } from '@sinclair/typebox'
import { closed, cpuMax, Text } from './basics.js'

/** The most of each that an agent tells of. */
export const topologyMax = { cpus: cpuMax + 1, interfaces: 10_000 }

const CpuNumber = Type.Integer({ minimum: 0, maximum: cpuMax })
export const NumaNode = Type.Integer({ minimum: 0, maximum: 65_535 })

/** A CPU that is online and that processes of the agent may be pinned to. What the kernel does not tell is absent. */
export const TopologyCpu = Type.Object(
  {
    /** Its number, as `cpu_affinity` has it. */
    id: CpuNumber,
    /**
     * Its physical core, by the lowest CPU of it that is online: CPUs of one core (siblings, hyper-threads) have the
     * same, on whatever socket. The kernel's own `core_id` would not do: it begins anew in each die, and on ARM in each
     * cluster.
     */
    core: Type.Optional(CpuNumber),
    /** Its package (`physical_package_id`). */
    socket: Type.Optional(Type.Integer({ minimum: 0 })),
    numa: Type.Optional(NumaNode),
    /** The kernel leaves it alone (`isolcpus`): nothing runs on it but what is pinned to it. */
    isolated: Type.Optional(Type.Literal(true))
  },
  closed
)
export type TopologyCpu = Static<typeof TopologyCpu>

export const TopologyInterface = Type.Object(
  {
    name: Text(64),
    /** The NUMA node that it is on; of a bond or a VLAN, the one that all devices below it are on. */
    numa: Type.Optional(NumaNode),
    /** How many receive queues it has; of a bond or a VLAN, the most that a device below it has. */
    queues: Type.Integer({ minimum: 0, maximum: 65_535 })
  },
  closed
)
export type TopologyInterface = Static<typeof TopologyInterface>

/** What a host has that decides where workers run best, as its agent sees it. */
export const Topology = Type.Object(
  {
    /** In ascending order; none where the host does not tell. */
    cpus: Type.Array(TopologyCpu, { maxItems: topologyMax.cpus }),
    /** Sorted by name. */
    interfaces: Type.Array(TopologyInterface, { maxItems: topologyMax.interfaces }),
    /** The CPUs' worth of time that the agent and its nodes get together; absent where nothing limits them. */
    quota: Type.Optional(Type.Number({ exclusiveMinimum: 0 }))
  },
  closed
)
export type Topology = Static<typeof Topology>
