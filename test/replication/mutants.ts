/** A rule of replication, as it is in a compiled file, and that file without it. */
export interface Mutant {
  rule: string
  file: string
  text: string
  without: string
}

/** Each of them breaks a promise, which the simulation must find. */
export const mutants: Mutant[] = [
  {
    rule: 'the log refuses what does not follow its last frame (fencing)',
    file: 'test/replication/simulated-log.js',
    text: 'entries.length !== after',
    without: 'entries.length < 0'
  },
  {
    rule: 'what is told twice is applied once',
    file: 'src/replication/follower.js',
    text: 'if (place <= before.place)',
    without: 'if (false)'
  },
  {
    rule: 'a transaction is committed once it is in the log',
    file: 'src/store/store.js',
    text: 'this.#publishing = transaction;',
    without:
      'this.#publishing = transaction; this.#conclude(transaction); transaction.settle = []; this.#db.exec("BEGIN");'
  },
  {
    rule: 'readers see what is committed',
    file: 'src/store/store.js',
    text: 'isReplica ? openReader(path) : this.#db',
    without: 'this.#db'
  },
  {
    rule: 'followers do not check references',
    file: 'src/store/replica.js',
    text: 'this.checkReferences(false);',
    without: ''
  },
  {
    rule: 'numbers that were given out are in the frame',
    file: 'src/store/replica.js',
    text: 'this.#count(table, last);',
    without: ';'
  },
  {
    rule: 'the position is committed with what brings a replica there',
    file: 'src/store/replica.js',
    text: 'this.move(position);',
    without: 'setImmediate(() => { try { this.move(position) } catch {} });'
  },
  {
    rule: 'the first frame of a term is written before its leader writes',
    file: 'src/replication/replica.js',
    text: 'const position = await this.#append(frame, last, signal);',
    without: 'const position = { ...this.#position, term: frame.term, leader: name };'
  },
  {
    rule: 'a candidate applies the whole log first',
    file: 'src/replication/replica.js',
    text: 'await this.#catchUp(last, holding);',
    without: ''
  }
]
