import { useEffect, useRef, useState } from 'preact/hooks'
import { api } from '../context.js'
import { Refusal } from '../api.js'

/** Opens a session with a token. `reason`: why the session before it has ended. */
export function Login({ reason, onDone }: { reason: string | undefined; onDone: () => void }) {
  const input = useRef<HTMLInputElement>(null)
  const [failure, setFailure] = useState<string>()
  const [isBusy, setBusy] = useState(false)
  useEffect(() => {
    document.title = 'Log in · Zeek cluster'
    input.current?.focus()
  }, [])
  const logIn = async (event: Event) => {
    event.preventDefault()
    setFailure(undefined)
    setBusy(true)
    try {
      await api.POST('/v1/session', { body: { token: input.current!.value.trim() } })
      onDone()
    } catch (error) {
      const isRefused = error instanceof Refusal && [400, 401].includes(error.status)
      setFailure(isRefused ? 'The controller does not take this token.' : (error as Error).message)
      setBusy(false)
      input.current?.select()
    }
  }
  return (
    <main class="login">
      <h1>Zeek cluster</h1>
      {reason !== undefined && (
        <p role="alert" class="notice bad">
          You are signed out: your session has ended, or was revoked. ({reason})
        </p>
      )}
      <form onSubmit={logIn}>
        <label for="token">Token</label>
        <input id="token" ref={input} type="password" autocomplete="current-password" required maxLength={4096} />
        <button type="submit" class="primary" disabled={isBusy}>
          Log in
        </button>
        {failure !== undefined && (
          <p role="alert" class="notice bad">
            {failure}
          </p>
        )}
      </form>
      <p>
        An admin makes tokens: <code>zeek-cluster token create --role viewer</code>.{' '}
        <a href="docs/guide/security#tokens">About tokens</a>
      </p>
    </main>
  )
}
