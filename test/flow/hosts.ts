/** Hosts on one cable: each has a root, a network, a name and processes of its own, as a machine has. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { directoryOf } from '../support/directory.js'
import { fixture } from '../support/environment.js'
import { Namespace, sendTo } from '../support/namespace.js'
import { childrenOf } from '../support/running.js'
import { until } from '../support/until.js'

/** What a root shell has. */
const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C.UTF-8' }

/** Arguments: the root that all have, the directory of this one, its name, its systemctl. */
const boot = `mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
cd "$2/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir -p run/systemd/system
hostname "$3"
install -m 0755 "$4" usr/local/bin/systemctl
echo
exec chroot . bash -c 'sleep infinity & wait'`

const cardOf = (number: number) => `02:00:00:00:00:${String(number).padStart(2, '0')}`

/** What hosts are plugged into. */
export class Lan {
  readonly #namespace: Namespace

  private constructor(namespace: Namespace) {
    this.#namespace = namespace
  }

  static async open(t: Test): Promise<Lan> {
    const namespace = await Namespace.open(t)
    namespace.sh('ip link add lan type bridge; ip link set lan up')
    return new Lan(namespace)
  }

  /** Ties a network to the cable, with an address for its `eth0`. */
  plug(network: Namespace, number: number, address: string): void {
    this.#namespace.sh(
      `ip link del "port$1" 2>/dev/null || true
ip link add "port$1" type veth peer name eth0 netns "$2"
ip link set "port$1" master lan up`,
      String(number),
      String(network.pid)
    )
    network.sh(
      'ip link set lo up; ip address add "$1/24" dev eth0; ip link set eth0 address "$2" up',
      address,
      cardOf(number)
    )
  }

  /** Notes all that goes over the cable from now on. Returns what ends that, and gives what was noted (pcap). */
  async capture(t: Test): Promise<() => Promise<Buffer>> {
    const file = join(directoryOf(t), 'capture.pcap')
    const [command, ...args] = [...this.#namespace.prefix, 'tcpdump', '-i', 'lan', '--immediate-mode', '-s', '0', '-U']
    const child = spawn(command!, [...args, '-Z', 'root', '-w', file], { stdio: ['ignore', 'ignore', 'pipe'] })
    const ended = once(child, 'exit')
    t.teardown(() => child.kill('SIGKILL'))
    let said = ''
    child.stderr.on('data', chunk => (said += chunk))
    await until(() => said.includes('listening on'), 'it is captured')
    return async () => {
      child.kill('SIGINT')
      await ended
      return readFileSync(file)
    }
  }
}

/** How a command has ended. */
export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** A command that runs on a host. */
export interface Running {
  written: { stdout: string; stderr: string }
  ended: Promise<Ended>
  /** Sends a signal to the command, and to what it runs. */
  kill: (signal: NodeJS.Signals) => void
}

export interface HostOptions {
  name: string
  /** The last number of its address, and of its card. */
  number: number
  /** The root that it begins with, which stays as it is. */
  base: string
}

export class Host {
  readonly name: string
  readonly address: string
  readonly #t: Test
  readonly #lan: Lan
  readonly #options: HostOptions
  readonly #directory: string
  #namespace!: Namespace

  private constructor(t: Test, lan: Lan, options: HostOptions) {
    this.#t = t
    this.#lan = lan
    this.#options = options
    this.name = options.name
    this.address = `10.77.0.${options.number}`
    this.#directory = directoryOf(t)
    for (const part of ['upper', 'work', 'root']) mkdirSync(join(this.#directory, part))
  }

  static async start(t: Test, lan: Lan, options: HostOptions): Promise<Host> {
    const host = new Host(t, lan, options)
    await host.boot()
    return host
  }

  /** Starts it, with what was enabled. */
  async boot(): Promise<void> {
    const { base, number } = this.#options
    this.#namespace = await Namespace.open(this.#t, {
      own: ['--mount', '--uts', '--pid'],
      script: [boot, 'sh', base, this.#directory, this.name, fixture('hosts', 'systemctl')]
    })
    this.#lan.plug(this.#namespace, number, this.address)
    await this.must('systemctl', 'boot')
  }

  /** Takes its power away: everything on it ends at once, and what is on its disk stays. */
  async cutPower(): Promise<void> {
    await this.#namespace.end()
  }

  /** Where a file of its is for us. */
  path(file: string): string {
    return `/proc/${this.#namespace.pid}/root${file}`
  }

  has(file: string): boolean {
    return existsSync(this.path(file))
  }

  read(file: string): string {
    return readFileSync(this.path(file), 'utf8')
  }

  /** Starts a command as root. */
  begin(command: readonly string[], more: NodeJS.ProcessEnv = {}): Running {
    const { pid } = this.#namespace
    const into = ['--target', String(pid), '--mount', '--net', '--uts', '--pid', '--root', '--wd', '--']
    const child = spawn('nsenter', [...into, ...command], {
      env: { ...env, ...more },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    const written = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (chunk: Buffer) => (written[name] += chunk))
    }
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...written }))
    return {
      written,
      ended,
      kill: signal => {
        // Who enters the namespace waits for the command, as a shell does for what it runs.
        for (const pid of descendantsOf(child.pid!).slice(1)) process.kill(pid, signal)
        // It stops when the command does.
        child.kill('SIGCONT')
      }
    }
  }

  async run(...command: string[]): Promise<Ended> {
    return await this.begin(command).ended
  }

  /** Runs a command that succeeds. Returns what it has printed. */
  async must(...command: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...command)
    if (code !== 0) throw new Error(`${this.name}: ${command.join(' ')}: ${code}: ${stdout}${stderr}`)
    return stdout
  }

  /** Returns our process id of that which has this one there. */
  outside(pid: number): number {
    const found = descendantsOf(this.#namespace.pid).find(one => insideOf(one) === pid)
    if (found === undefined) throw new Error(`${this.name} has no process ${pid}`)
    return found
  }

  /** Returns the main process of a unit, by our process id; undefined while there is none. */
  mainOf(unit: string): number | undefined {
    const pid = this.has(`/run/units/${unit}.pid`) ? Number(this.read(`/run/units/${unit}.pid`)) : 0
    return pid === 0 ? undefined : this.outside(pid)
  }

  /** Returns the command line of a process, by our process id. */
  commandOf(pid: number): string {
    return of(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.replaceAll('\0', ' ') ?? ''
  }

  /** Loses what it sends to another one, until that is healed. */
  lose(other: Host): void {
    sendTo(this.#namespace.prefix, other.address, 'eth0', cardOf(99))
  }

  heal(other: Host): void {
    sendTo(this.#namespace.prefix, other.address, 'eth0', cardOf(other.#options.number))
  }
}

/** What is true of a process; undefined when it is gone. */
function of<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/** Returns a process with all that descend from it. */
const descendantsOf = (pid: number): number[] => [pid, ...(of(() => childrenOf(pid)) ?? []).flatMap(descendantsOf)]

/** Returns the process id that a process has in its own namespace. */
function insideOf(pid: number): number {
  return Number(/^NSpid:.*\s(\d+)$/m.exec(of(() => readFileSync(`/proc/${pid}/status`, 'utf8')) ?? '')?.[1])
}
