import { api } from '../context.js'
import { documentOf, undefinedIfNone } from '../deploy/asking.js'
import { groupsOf, type ElasticGroup, type Groups } from '../model/groups.js'
import { useAnswered } from '../parts/answered.js'
import { useRead, type Read } from '../parts/read.js'

/** The groups as they were at a time; milliseconds since 1970. `groups`: undefined where nothing is staged. */
export interface ReadGroups {
  groups: Groups | undefined
  at: number
}

/** Reads the groups, and again when something else is staged or deployed. */
export function useGroups(): Read<ReadGroups> {
  const read = useRead('groups', async signal => ({ groups: await readGroups(signal), at: Date.now() }))
  useAnswered(['stage_configuration', 'deploy'], read.again)
  return read
}

async function readGroups(signal: AbortSignal): Promise<Groups | undefined> {
  const read = async (state: 'staged' | 'ready' | 'deployed') => await documentOf(state, signal).catch(undefinedIfNone)
  const staged = await read('staged')
  if (!staged) return undefined
  // The others are as long as the cluster is large.
  if ((staged.configuration.groups ?? []).length === 0) return { groups: [], isDeployed: false }
  return groupsOf(staged, ...(await Promise.all([read('ready'), read('deployed')])))
}

/** Reads the elastic groups, and again when workers were started or stopped. */
export function useElastic(): readonly ElasticGroup[] {
  const read = useRead('elastic', async signal => (await api.GET('/v1/elastic-groups', { signal })).data!.groups)
  useAnswered(['deploy', 'start', 'stop'], read.again)
  return read.value ?? none
}

const none: readonly ElasticGroup[] = []
