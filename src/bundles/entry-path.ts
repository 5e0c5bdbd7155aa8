import { bundleParts, bundlePath } from '../../schemas/bundles.js'
import { AppError } from '../errors.js'

/** Control characters, and what separates paths elsewhere: no script has them in its name. */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const forbidden = /[\u0000-\u001f\u007f\\\ufffd]/

/** Returns an error that names an entry of an archive. */
export function refusal(path: string, problem: string): AppError {
  return new AppError('invalid_request', `${JSON.stringify(path.slice(0, 200))}: ${problem}`)
}

/**
 * Returns the path of an archive's entry as a bundle has it: without `./` before it and a slash behind it; empty for
 * the top. Throws an AppError that names a path which could lead out of the bundle, or which no bundle has.
 */
export function entryPath(written: string): string {
  if (written.startsWith('/')) throw refusal(written, 'paths in a bundle are not absolute')
  if (forbidden.test(written)) throw refusal(written, 'a path in a bundle has a character that none may have')
  const path = written.replace(/^(\.\/+)+/, '').replace(/\/+$/, '')
  if (path === '' || path === '.') return ''
  const segments = path.split('/')
  if (segments.some(segment => segment === '..')) throw refusal(written, 'a path in a bundle leads out of it')
  if (segments.some(segment => segment === '.' || segment === '')) throw refusal(written, 'a path is not normal')
  if (segments.some(segment => Buffer.byteLength(segment) > 255)) throw refusal(written, 'a name has over 255 bytes')
  if (Buffer.byteLength(path) > bundlePath.bytes) throw refusal(written, `a path has over ${bundlePath.bytes} bytes`)
  if (segments.length > bundlePath.depth) throw refusal(written, `it is deeper than ${bundlePath.depth} directories`)
  if (!Object.hasOwn(bundleParts, segments[0]!)) {
    const hint = segments.length === 1 && path.endsWith('.zeek') ? `; is this scripts/${path}?` : ''
    throw refusal(written, `a bundle holds ${Object.keys(bundleParts).join('/, ')}/, and nothing else${hint}`)
  }
  return path
}

/**
 * Returns a path as a file system that knows no case, or another Unicode form, takes it: equal for names that clash.
 */
export const foldedPath = (path: string): string => path.normalize('NFC').toLowerCase()
