import { useEffect, useRef } from 'preact/hooks'
import { useShared } from '../context.js'

/** Calls `listener` after another configuration was staged or deployed: then it may be another bundle that is used. */
export function useNewConfiguration(listener: () => void): void {
  const { stream } = useShared()
  const latest = useRef(listener)
  latest.current = listener
  useEffect(
    () =>
      stream.onEvents(events => {
        if (events.some(({ type }) => type === 'stage_configuration_response' || type === 'deploy_response')) {
          latest.current()
        }
      }),
    [stream]
  )
}
