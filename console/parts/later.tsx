import type { FunctionComponent } from 'preact'
import { useEffect, useReducer, useState } from 'preact/hooks'

/** Returns a component whose code is loaded when it is first shown. */
export function later<P extends object>(load: () => Promise<FunctionComponent<P>>): FunctionComponent<P> {
  let loaded: FunctionComponent<P> | undefined
  return function Later(props: P) {
    const [, draw] = useReducer((count: number) => count + 1, 0)
    const [isFailed, setFailed] = useState(false)
    useEffect(() => {
      if (loaded) return
      let isGone = false
      load().then(
        component => {
          loaded = component
          if (!isGone) draw(undefined)
        },
        () => !isGone && setFailed(true)
      )
      return () => {
        isGone = true
      }
    }, [])
    if (loaded) {
      const Loaded = loaded
      return <Loaded {...props} />
    }
    if (!isFailed) return <p aria-busy="true">Loading…</p>
    return (
      <p role="alert">
        This page could not be loaded: the controller is not reached, or was upgraded.{' '}
        <button type="button" onClick={() => window.location.reload()}>
          Load again
        </button>
      </p>
    )
  }
}
