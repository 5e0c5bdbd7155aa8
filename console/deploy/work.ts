import { submit, type RequestType } from '../../src/client/requests.js'
import { Refusal, uniqueId } from '../api.js'
import { api } from '../context.js'
import type { Cluster } from '../model/cluster.js'
import { differenceOf } from '../model/configuration-difference.js'
import { exampleOn, formatConfiguration, onInstance, unwrapped, type FileForm } from '../model/configuration-form.js'
import { problemOfField, problemOfFile, problemsOfStaging } from '../model/configuration-replies.js'
import { stagedSince, type argsOf } from '../model/deployment.js'
import { counted } from '../model/format.js'
import type { ClusterRequest } from '../model/types.js'
import { configurationOf, converted, over, undefinedIfNone } from './asking.js'
import type { Desk, Intent, Staged } from './desk.js'

/** What is done with the text of a desk: each tells there what has come of it, and throws nothing. */
export class Work {
  #desk: Desk
  #cluster: () => Cluster
  /** The keys of what was sent and not answered yet: the same again is done once. */
  #keys = new Map<string, { args: string; key: string }>()

  /** `cluster`: as it is when it is asked for. */
  constructor(desk: Desk, cluster: () => Cluster) {
    this.#desk = desk
    this.#cluster = cluster
  }

  /** Loads what the controller has. */
  async load(state: 'deployed' | 'staged'): Promise<void> {
    await this.#do('Loading…', async () => {
      const { id: _anew, ...rest } = (await configurationOf(state)) as { id?: string }
      this.#put(formatConfiguration(rest), `This is what is ${state}.`, { isSaved: true })
    })
  }

  /** Takes a file in. */
  async open(file: File): Promise<void> {
    await this.#do('Reading…', async () => {
      if (file.size > fileMax) throw new Error(`${file.name} is larger than any configuration`)
      this.#put(await file.text(), `This is ${file.name}.`, { fileName: file.name, isSaved: false })
    })
  }

  /** Puts a configuration to begin with in. */
  async example(): Promise<void> {
    await this.#do('Writing…', () => {
      const [instance] = connectedIn(this.#cluster())
      const text = formatConfiguration(exampleOn(instance ?? 'sensor-1'))
      const news =
        instance === undefined
          ? 'An example. No instance is connected: put the name of yours in place of sensor-1, and its interface in place of eth0.'
          : `An example on ${instance}: put the interface that it listens on in place of eth0.`
      this.#put(text, news, { isSaved: false })
      const at = text.indexOf('eth0')
      this.#desk.draft.editor?.goTo({ from: at, to: at + 'eth0'.length })
    })
  }

  /** Puts all nodes of a configuration without instances on one. */
  async place(instance: string): Promise<void> {
    await this.#do('Writing…', () => {
      const configuration = unwrapped(JSON.parse(this.#desk.draft.text)) as { nodes?: unknown }
      const text = formatConfiguration(onInstance(configuration, instance))
      this.#put(text, `All nodes are on ${instance}.`, { isSaved: false })
    })
  }

  /** Has the text, a file of another tool, converted. */
  async convert(form: FileForm, name: string): Promise<void> {
    await this.#do('Converting…', async () => {
      const { text } = this.#desk.draft
      const follow = this.#desk.draft.follow()
      try {
        const { configuration, notes } = await converted(name, text)
        this.#put(formatConfiguration(configuration), `This was ${form}.`, { isSaved: false })
        this.#desk.set({ notes })
      } catch (error) {
        if (!(error instanceof Refusal) || error.errors.length === 0) throw error
        const said = error.errors.map(one => problemOfFile(one, text))
        this.#desk.set({ said: said.flatMap(follow) })
        throw new Error(`It is no ${form} that could be converted: ${counted(said.length, 'problem')}.`, {
          cause: error
        })
      }
    })
  }

  async stage(): Promise<void> {
    await this.#do('Staging…', async () => {
      await this.#stage()
    })
  }

  /** Stages the text, unless that is done, and has its nodes checked. */
  async check(): Promise<void> {
    await this.#do('Asking for a check…', async () => {
      const staged = await this.#staged()
      if (!staged) return
      const [{ nodes }, request] = [await configurationOf('ready'), await this.#post('check', {})]
      this.#desk.set({
        check: { request, nodes: nodes.map(({ name }) => name) },
        fresh: request.reqid,
        news: undefined
      })
    })
  }

  /** Stages the text, unless that is done, and has the hosts say what deploying it would do. */
  async plan(): Promise<void> {
    await this.#do('Asking for a plan…', async () => {
      if (!(await this.#staged())) return
      const plan = await this.#post('plan', {})
      this.#desk.set({ plan, fresh: plan.reqid, news: undefined })
    })
  }

  /** Stages the text, unless that is done, and compares it with what is deployed. */
  async prepare(): Promise<void> {
    await this.#do('Comparing with what is deployed…', async () => {
      const staged = await this.#staged()
      if (!staged) return
      const [configuration, before] = await Promise.all([
        configurationOf('ready'),
        isNothingDeployed(this.#cluster()) ? undefined : configurationOf('deployed').catch(undefinedIfNone)
      ])
      const intent: Intent = { staged, configuration, before, difference: differenceOf(before, configuration) }
      this.#desk.set({ asked: intent, news: undefined })
    })
  }

  /** Deploys what was asked for. Returns whether that was accepted. */
  async deploy({ configuration, difference }: Intent, args: ReturnType<typeof argsOf>): Promise<boolean> {
    return await this.#do('Deploying…', async () => {
      const request = await this.#post('deploy', args)
      const nodes = [...configuration.nodes.map(({ name }) => name), ...difference.nodes.removed]
      this.#desk.deployed({ request, nodes })
    })
  }

  /** Does something, and tells why it failed. Returns whether it did not. */
  async #do(busy: string, act: () => void | Promise<void>): Promise<boolean> {
    if (this.#desk.state.busy !== undefined) return false
    this.#desk.set({ busy, failure: undefined, faults: [] })
    try {
      await act()
      return true
    } catch (error) {
      this.#desk.set({
        failure: (error as Error).message,
        faults: error instanceof Refusal ? error.errors : []
      })
      return false
    } finally {
      this.#desk.set({ busy: undefined })
    }
  }

  #put(text: string, news: string, from: { fileName?: string; isSaved: boolean }): void {
    this.#desk.draft.replace(text, from)
    this.#desk.set({ said: [], notes: [], news })
  }

  /** Returns what is staged if that is the text, else stages it. */
  async #staged(): Promise<Staged | undefined> {
    const { staged } = this.#desk.state
    const isStaged = staged?.text === this.#desk.draft.text && !stagedSince(this.#cluster().requests, staged.request)
    return isStaged ? staged : await this.#stage()
  }

  /** Stages the text. Returns undefined when it is refused: why is told. */
  async #stage(): Promise<Staged | undefined> {
    const { draft } = this.#desk
    const analysis = await draft.settled()
    const { obstacle, problems } = analysis
    if (obstacle !== undefined) {
      const [first] = problems.filter(({ level }) => level === 'error')
      if (first?.place) draft.editor?.goTo(first.place)
      throw new Error(`It was not sent. ${obstacle}`)
    }
    const { text } = draft
    const follow = draft.follow()
    try {
      const args = { config: unwrapped(JSON.parse(text)) as object }
      const request = await over(await this.#post('stage_configuration', args, 10))
      const { said, failed } = problemsOfStaging(request, analysis)
      this.#desk.set({ said: said.flatMap(follow) })
      if (failed > 0) throw new Error(`The controller refuses it: ${counted(failed, 'problem')}.`)
      const staged = { request, text }
      draft.saved(text)
      this.#desk.set({
        staged,
        check: undefined,
        plan: undefined,
        news: `Staged: ${counted(analysis.nodes, 'node')}. Nothing runs of it yet.`
      })
      return staged
    } catch (error) {
      if (!(error instanceof Refusal) || error.errors.length === 0) throw error
      const said = error.errors.map(one => problemOfField(one, analysis))
      this.#desk.set({ said: said.flatMap(follow) })
      throw new Error(`The controller refuses it: ${counted(said.length, 'problem')}.`, { cause: error })
    }
  }

  async #post(type: RequestType, args: object, wait?: number): Promise<ClusterRequest> {
    const text = JSON.stringify(args)
    const before = this.#keys.get(type)
    const key = before?.args === text ? before.key : uniqueId()
    this.#keys.set(type, { args: text, key })
    try {
      const request = await submit(api, type, args, { key, wait })
      this.#keys.delete(type)
      return request
    } catch (error) {
      // What was refused is asked anew; what was not answered is asked again.
      if (error instanceof Refusal) this.#keys.delete(type)
      throw error
    }
  }
}

/** More than the controller takes. */
const fileMax = 50_000_000

/** Returns the names of the instances that are connected, sorted. */
export const connectedIn = ({ instances }: Cluster): string[] =>
  [...instances.values()].flatMap(({ name, connected }) => (connected ? [name] : [])).sort()

const isNothingDeployed = ({ health, nodes }: Cluster) =>
  health?.reasons.some(({ code }) => code === 'not_deployed') === true &&
  ![...nodes.values()].flat().some(({ mgmt_role: role }) => role === 'NODE')
