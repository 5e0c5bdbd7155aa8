import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { AppError, messageOf } from '../errors.js'
import { endOf, renewalOf } from '../security/lifetime.js'
import { maxTimerMs, writeFileAtomically, type Ownership } from '../util.js'

/** Where an agent that has joined has its key and its certificate. */
export const identityIn = (stateDir: string): string => join(stateDir, 'identity.pem')

/** The shortest and the longest time until a renewal is tried again, in milliseconds. */
const [retryMinMs, retryMaxMs] = [500, 3_600_000]

export interface RenewalOptions {
  name: string
  /** Has the controller answer a request for a certificate (both PEM). Rejects where it cannot be asked. */
  ask: (request: string) => Promise<string>
  /** Called with a new certificate: `patienceMs` is how long the old one may still be used. */
  renewed: (patienceMs: number) => Promise<void>
  log: Logger
  signal: AbortSignal
}

/**
 * The key of an agent and the certificate that the controller has given it, in one file (PEM): whatever ends the agent,
 * they belong together.
 */
export class Identity {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** Returns the certificate. Rejects where there is none. */
  async certificate(): Promise<X509Certificate> {
    return new X509Certificate(await readFile(this.path))
  }

  /**
   * Writes a key and its certificate (PEM). Throws `invalid_request` unless they belong together, and to this agent.
   */
  async write(key: string, certificate: string, name: string, owner?: Ownership): Promise<void> {
    const refuse = (why: string) => new AppError('invalid_request', `the certificate that the controller gives ${why}`)
    const its = new X509Certificate(certificate)
    if (!its.checkPrivateKey(createPrivateKey(key))) throw refuse('is for another key')
    if (its.subject !== `O=agent\nCN=${name}`) throw refuse(`is not of agent ${name}`)
    await writeFileAtomically(this.path, `${key.trimEnd()}\n${certificate.trimEnd()}\n`, owner)
  }

  /** Renews the certificate, each time after two thirds of its lifetime, until the signal aborts. Never rejects. */
  async keep({ signal, ...options }: RenewalOptions): Promise<void> {
    let told: string | undefined
    while (!signal.aborted) {
      const pauseMs = await this.#look(options, problem => {
        if (problem !== told && problem !== undefined) options.log.warn(problem)
        told = problem
      })
      await sleep(Math.min(maxTimerMs, Math.max(retryMinMs, pauseMs)), undefined, { signal }).catch(() => {})
    }
  }

  /** Renews the certificate if it is time. Returns after how many milliseconds to look again. */
  async #look(
    { name, ask, renewed, log }: Omit<RenewalOptions, 'signal'>,
    tell: (problem: string | undefined) => void
  ): Promise<number> {
    let pauseMs = retryMaxMs
    try {
      const before = await this.certificate()
      const end = endOf(before)
      const restMs = end - Date.now()
      if (restMs <= 0) throw new AppError('unauthorized', `it has ended: zeek-cluster join gets another one`)
      if (Date.now() < renewalOf(before)) return Math.min(retryMaxMs, renewalOf(before) - Date.now())
      pauseMs = Math.min(retryMaxMs, restMs / 20)
      const { createKey, createRequest } = await import('../security/certificate-authority.js')
      // A new key each time; until its certificate is written, the old ones stay.
      const key = await createKey()
      await this.write(key, await ask(await createRequest(key)), name)
      log.info(`the certificate is renewed, until ${new Date(endOf(await this.certificate())).toISOString()}`)
      tell(undefined)
      await renewed(Math.max(0, end - Date.now()) / 2)
      return 0
    } catch (error) {
      tell(`the certificate of the agent is not renewed: ${messageOf(error)}`)
      return pauseMs
    }
  }
}
