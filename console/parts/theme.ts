import { useEffect, useRef } from 'preact/hooks'

/** Calls `draw` when the colours of the page have changed: for what is drawn with colours instead of styled. */
export function useThemeChange(draw: () => void): void {
  const latest = useRef(draw)
  latest.current = draw
  useEffect(() => {
    const changed = () => latest.current()
    const observer = new MutationObserver(changed)
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
    const queries = ['(prefers-color-scheme: dark)', '(forced-colors: active)'].map(query => matchMedia(query))
    for (const query of queries) query.addEventListener('change', changed)
    return () => {
      observer.disconnect()
      for (const query of queries) query.removeEventListener('change', changed)
    }
  }, [])
}
