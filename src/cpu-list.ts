import { cpuMax } from '../schemas/basics.js'

const maxLength = 16_384

/**
 * Returns the CPUs of a list as the kernel writes it (cpuset(7), "List format"), also with the strides of zeek.conf, as
 * `0,4-7,10-20:3`, in its order; undefined when it is not one.
 */
export function parseCpuList(text: string): number[] | undefined {
  const cpus: number[] = []
  for (const part of text === '' ? [] : text.split(',')) {
    const [, first, last = first, stride = '1'] = /^(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?$/.exec(part) ?? []
    if (first === undefined || Number(last) < Number(first) || Number(last) > cpuMax || Number(stride) < 1) {
      return undefined
    }
    for (let cpu = Number(first); cpu <= Number(last); cpu += Number(stride)) cpus.push(cpu)
    if (cpus.length > maxLength) return undefined
  }
  return cpus
}

/** Returns CPUs as such a list: in ascending order, each once. */
export function cpuList(cpus: Iterable<number>): string {
  const ranges: [first: number, last: number][] = []
  for (const cpu of [...new Set(cpus)].sort((a, b) => a - b)) {
    const range = ranges.at(-1)
    if (range?.[1] === cpu - 1) range[1] = cpu
    else ranges.push([cpu, cpu])
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join()
}
