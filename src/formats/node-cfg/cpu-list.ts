/** More than any machine has; a node's cpu_affinity ends at 4095. */
const maxCpu = 4095
const maxLength = 16_384

/** Returns the CPUs of a list like `0,4-7,10-20:3`, in its order; undefined when it is not one. */
export function parseCpuList(text: string): number[] | undefined {
  const cpus: number[] = []
  for (const part of text === '' ? [] : text.split(',')) {
    const [, first, last = first, stride = '1'] = /^(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?$/.exec(part) ?? []
    if (first === undefined || Number(last) < Number(first) || Number(last) > maxCpu || Number(stride) < 1) {
      return undefined
    }
    for (let cpu = Number(first); cpu <= Number(last); cpu += Number(stride)) cpus.push(cpu)
    if (cpus.length > maxLength) return undefined
  }
  return cpus
}
