import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto'
import t from 'tap'
import { CurveKeys } from '../../schemas/agent.js'
import { checker } from '../../schemas/validator.js'
import { invalid } from '../../src/errors.js'
import { createCurveKeys, z85 } from '../../src/zeek/curve-keys.js'

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'

/** The way back, as the specification has it. */
function decoded(text: string): Buffer {
  const words = text.match(/.{5}/gs)!.map(five => [...five].reduce((sum, c) => sum * 85 + alphabet.indexOf(c), 0))
  const bytes = Buffer.alloc(words.length * 4)
  for (const [at, word] of words.entries()) bytes.writeUInt32BE(word, at * 4)
  return bytes
}

await t.test('Z85 is as its specification has it', async t => {
  t.equal(z85(Buffer.from('864fd26fb559f75b', 'hex')), 'HelloWorld')
  t.equal(z85(Buffer.alloc(4)), '00000')
  t.equal(z85(Buffer.alloc(4, 0xff)), '%nSc0')
  // The keys of ZeroMQ's own documentation (zmq_curve).
  const published = 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7'
  t.equal(z85(decoded(published)), published)
})

await t.test('keys are two pairs, others each time, and in the form that a share has', async t => {
  const check = checker(CurveKeys, invalid)
  const made = Array.from({ length: 50 }, createCurveKeys)
  for (const keys of made) check(keys, 'keys')
  t.equal(new Set(made.flatMap(keys => Object.values(keys))).size, 200)
})

await t.test('the secret of a pair belongs to what is public of it', async t => {
  const [mine, theirs] = [createCurveKeys(), createCurveKeys()]
  const shared = (secret: string, publicKey: string) =>
    diffieHellman({
      privateKey: createPrivateKey({
        key: Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), decoded(secret)]),
        format: 'der',
        type: 'pkcs8'
      }),
      publicKey: createPublicKey({
        key: Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), decoded(publicKey)]),
        format: 'der',
        type: 'spki'
      })
    }).toString('hex')
  for (const [ours, others] of [
    [mine.server_secretkey, mine.server_publickey],
    [mine.client_secretkey, mine.client_publickey]
  ] as const) {
    t.equal(shared(ours, theirs.client_publickey), shared(theirs.client_secretkey, others))
  }
})
