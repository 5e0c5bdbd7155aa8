import t from 'tap'
import { nearest, suggestion } from '../schemas/nearest.js'

const known = ['name', 'instance', 'role', 'port', 'metrics_port', 'interface', 'cpu_affinity', 'env']

await t.test('a typo has the word that was meant', async t => {
  for (const [word, meant] of [
    ['inteface', 'interface'],
    ['interfaces', 'interface'],
    ['Interface', 'interface'],
    ['interfcae', 'interface'],
    ['rol', 'role'],
    ['cpu-affinity', 'cpu_affinity'],
    ['metric_port', 'metrics_port'],
    ['en', 'env']
  ]) {
    t.equal(nearest(word!, known), meant)
  }
  t.equal(suggestion('inteface', known), '; did you mean interface?')
})

await t.test('another word has none', async t => {
  for (const word of ['colour', 'x', '', 'lb_procs', 'interface'.repeat(100)]) {
    t.equal(nearest(word, known), undefined, word.slice(0, 20))
  }
  t.equal(suggestion('colour', known), '')
})
