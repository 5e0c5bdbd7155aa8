/** What stands in a text for a name that its reader may not know. */
const hidden = '…'
const letter = /[A-Za-z0-9]/
const words = /[A-Za-z0-9]+/g

/**
 * Some names of nodes, instances and hosts, to be found in texts, where nothing but letters and digits is part of a
 * name.
 */
export class Names {
  /** The names by their first word, each with the place of that in it; longer names first. */
  #byWord = new Map<string, { name: string; at: number }[]>()

  constructor(names: Iterable<string>) {
    for (const name of new Set(names)) {
      const [first] = name.matchAll(words)
      if (!first) continue
      const same = this.#byWord.get(first[0]) ?? []
      same.push({ name, at: first.index })
      this.#byWord.set(first[0], same)
    }
    for (const same of this.#byWord.values()) same.sort((a, b) => b.name.length - a.name.length)
  }

  /** Returns the names that are in a text. */
  in(text: string): Set<string> {
    const found = new Set<string>()
    for (const { name } of this.#found(text)) found.add(name)
    return found
  }

  /** Returns a text without the names, but for some. */
  hiddenIn(text: string, but: ReadonlySet<string>): string {
    let [result, end] = ['', 0]
    for (const { name, start } of this.#found(text)) {
      if (but.has(name)) continue
      result += text.slice(end, start) + hidden
      end = start + name.length
    }
    return end === 0 ? text : result + text.slice(end)
  }

  /** Yields the places of names, in order; none overlaps another. */
  *#found(text: string): Generator<{ name: string; start: number }> {
    let end = 0
    if (this.#byWord.size === 0) return
    for (const { 0: word, index } of text.matchAll(words)) {
      const known = this.#byWord.get(word)?.find(({ name, at }) => {
        const start = index - at
        const next = text[start + name.length] ?? ''
        return start >= end && text.startsWith(name, start) && !letter.test(next)
      })
      if (!known) continue
      const start = index - known.at
      end = start + known.name.length
      yield { name: known.name, start }
    }
  }
}
