import { useRef, useState } from 'preact/hooks'
import { api, useShared } from '../context.js'
import { exact } from '../model/format.js'

type Theme = 'auto' | 'light' | 'dark'
const themes: readonly Theme[] = ['auto', 'light', 'dark']
const themeKey = 'zeek-cluster-theme'

/** Applies the theme that was chosen in this browser before. */
export function applyTheme(theme = localStorage.getItem(themeKey) ?? 'auto'): void {
  if (theme === 'auto') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

/** Who is signed in, and what this browser is set to. */
export function Account() {
  const { session, stream } = useShared()
  const details = useRef<HTMLDetailsElement>(null)
  const [theme, setTheme] = useState<string>(() => localStorage.getItem(themeKey) ?? 'auto')
  const [failure, setFailure] = useState<string>()
  const choose = (chosen: Theme) => {
    localStorage.setItem(themeKey, chosen)
    applyTheme(chosen)
    setTheme(chosen)
  }
  const logOut = async () => {
    try {
      await api.DELETE('/v1/session', {})
      stream.look(true)
    } catch (error) {
      setFailure((error as Error).message)
    }
  }
  const close = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !details.current?.open) return
    details.current.open = false
    details.current.querySelector('summary')?.focus()
  }
  return (
    <details class="account" ref={details} onKeyDown={close}>
      <summary>
        {session.name} ({session.role})
      </summary>
      <div class="menu">
        <fieldset>
          <legend>Theme</legend>
          {themes.map(one => (
            <label key={one}>
              <input type="radio" name="theme" checked={theme === one} onChange={() => choose(one)} /> {one}
            </label>
          ))}
        </fieldset>
        {session.labels !== undefined && (
          <p>
            Limited to instances with{' '}
            {Object.entries(session.labels)
              .map(([name, value]) => `${name}=${value}`)
              .join(', ')}
            .
          </p>
        )}
        {session.expires_at !== undefined && <p>The session ends at {exact(session.expires_at)}.</p>}
        {session.expires_at !== undefined && (
          <button type="button" onClick={logOut}>
            Log out
          </button>
        )}
        <p>
          <a href="docs/guide/">Guide</a> · <a href="docs">API</a>
        </p>
        {failure !== undefined && <p role="alert">{failure}</p>}
      </div>
    </details>
  )
}
