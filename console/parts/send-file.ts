import { refusalOf } from '../api.js'
import { baseUrl } from '../context.js'

/** Where a file goes: `path` below the controller's URL, without a slash at its beginning. */
interface Target {
  method: 'POST' | 'PUT'
  path: string
  headers?: Readonly<Record<string, string>>
}

interface SendFileOptions {
  signal: AbortSignal
  /** Is told how many bytes are on their way. */
  onSent: (bytes: number) => void
}

/**
 * Sends a file as it is on the disk; closing the tab warns meanwhile. Returns the status and the body of the answer.
 * Throws a Refusal, or an Error when it could not be read, or did not arrive. By XMLHttpRequest: `fetch` does not tell
 * how far it is.
 */
export async function sendFile<Answer>(
  file: File,
  { method, path, headers = {} }: Target,
  { signal, onSent }: SendFileOptions
): Promise<{ status: number; answer: Answer }> {
  const request = new XMLHttpRequest()
  request.open(method, baseUrl + path)
  request.setRequestHeader('content-type', 'application/octet-stream')
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
  request.upload.onprogress = ({ loaded }) => onSent(loaded)
  signal.addEventListener('abort', () => request.abort())
  window.addEventListener('beforeunload', warn)
  const status = await new Promise<number>(resolve => {
    request.onloadend = () => resolve(request.status)
    request.send(file)
  })
  window.removeEventListener('beforeunload', warn)
  signal.throwIfAborted()
  if (status === 0) throw await reasonOf(file)
  if (status >= 300) throw await refusalOf(new Response(request.responseText, { status }))
  return { status, answer: JSON.parse(request.responseText) as Answer }
}

const warn = (event: BeforeUnloadEvent) => event.preventDefault()

/** Returns why a file did not arrive: browsers do not say. */
async function reasonOf(file: File): Promise<Error> {
  try {
    await file.slice(0, 1).arrayBuffer()
  } catch {
    return new Error('it cannot be read: it was changed or moved, or is a directory. Choose it again')
  }
  return new Error('the connection was lost before the controller has answered. It can be sent again')
}
