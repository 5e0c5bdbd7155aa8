import { useNow, useShared, useStream } from '../context.js'
import { exact, span } from '../model/format.js'
import { StateMark } from './state-mark.js'

/** Says in the header whether what is shown is what is so now. */
export function LinkMark() {
  const { stream } = useShared()
  const isLive = useStream(stream, () => stream.isLive)
  return (
    <p class="link-mark" role="status">
      <StateMark tone={isLive ? 'good' : 'doubt'} /> {isLive ? 'Live' : 'Not live'}
    </p>
  )
}

/** Says how old what is shown is, while it is not live. */
export function LinkBanner() {
  const { stream } = useShared()
  const isLive = useStream(stream, () => stream.isLive)
  return isLive ? null : <Outage />
}

function Outage() {
  const { stream } = useShared()
  const { link, asOf } = stream
  const now = useNow()
  const reason = link.state === 'lost' ? link.reason : 'the connection is being opened'
  return (
    <div class="outage" role="alert">
      <p>
        {/* Without the age: a screen reader would read it anew each second. */}
        <strong>Not live.</strong> Reconnecting: {reason}.{' '}
        <span aria-hidden="true">
          What is shown was so at <time dateTime={new Date(asOf).toISOString()}>{exact(asOf)}</time>,{' '}
          {span((now - asOf) / 1000)} ago.
        </span>
      </p>
      <button type="button" onClick={() => stream.look(true)}>
        Try now
      </button>
    </div>
  )
}
