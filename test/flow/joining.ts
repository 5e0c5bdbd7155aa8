import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { connect, type Schema } from '../../src/client/connection.js'
import { certificatesIn, fingerprintOfCertificate } from '../../src/security/fingerprint.js'
import { directoryOf } from '../support/directory.js'
import { cleanEnv, mainProgram } from '../support/environment.js'
import { freePorts } from '../support/ports.js'
import { until } from '../support/until.js'
import { Service } from './service.js'

/** A process of the command line, with what it has written. */
export function program(t: Test, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [mainProgram, ...args], {
    env: { ...cleanEnv, ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (chunk: Buffer) => (written[name] += chunk))
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...written }))
  return { child, written, ended }
}

/** A controller with an authority of its own, in a process, and its admin. */
export async function startController(t: Test, flags: Record<string, string> = {}) {
  const directory = directoryOf(t)
  const state = join(directory, 'controller')
  const [clients, agents] = (await freePorts(2)) as [number, number]
  const settings = {
    'management-state-dir': state,
    'controller-name': 'controller',
    'controller-authentication': 'token',
    'controller-authority': 'own',
    'controller-websocket-port': String(clients),
    'controller-port': String(agents),
    'management-retry-max': '0.2',
    ...flags
  }
  const made = await program(t, [
    ...['token', 'create', '--offline', '--role', 'admin', '--management-state-dir', state]
  ]).ended
  const service = Service.start(t, ['--controller'], settings)
  const url = `https://127.0.0.1:${clients}`
  const authority = join(state, 'authority.pem')
  await until(() => existsSync(join(state, 'controller.pem')), 'the controller has its certificate')
  const ca = certificatesIn(readFileSync(authority, 'utf8'))[0]!
  const api = await connect({ urls: [url], token: made.stdout.trim(), ca })
  await until(() => api.GET('/v1/session').then(Boolean, () => false), 'the controller answers')
  const tokenFor = async (grant: object = {}, more: object = {}) =>
    (await api.POST('/v1/tokens', { body: { role: 'join', join: grant, ...more } })).data!
  const joins = async (): Promise<Schema['Join'][]> => (await api.GET('/v1/joins')).data!.joins
  const instance = async (name: string): Promise<Schema['InstanceStatus'] | undefined> =>
    (await api.GET('/v1/instances')).data!.instances.find(one => one.name === name)
  const left = async (id: string) => (await api.GET('/v1/tokens')).data!.tokens.find(one => one.id === id)?.join?.uses
  const fingerprint = fingerprintOfCertificate(ca)
  const join_ = (name: string, token: string, ...more: string[]) =>
    program(t, [
      ...['join', url, '--token', token, '--name', name, '--state-dir', join(directory, name)],
      ...(more.includes('--fingerprint') || more.includes('--ca') ? [] : ['--fingerprint', fingerprint]),
      ...more
    ])
  const startAgent = (name: string, more: Record<string, string> = {}) =>
    Service.start(t, ['--agent'], {
      config: join(directory, name, 'agent.yaml'),
      'management-retry-max': '0.2',
      ...more
    })
  const connected = async (name: string) =>
    await until(async () => (await instance(name))?.connected === true, `${name} is connected`)
  const adminEnv = { ZEEK_CLUSTER_URL: url, ZEEK_CLUSTER_TOKEN: made.stdout.trim(), ZEEK_CLUSTER_CA: authority }
  return {
    directory,
    state,
    url,
    clients,
    agents,
    api,
    ca,
    fingerprint,
    service,
    adminEnv,
    tokenFor,
    joins,
    instance,
    left,
    startAgent,
    connected,
    joinAs: join_
  }
}

export const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

/** Waits until a line is written. */
export const says = (written: { stderr: string }, what: RegExp) =>
  until(() => what.exec(written.stderr), `it says ${what}`)
