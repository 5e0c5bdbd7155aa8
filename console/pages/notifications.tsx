import { RefreshLine } from '../parts/refresh-line.js'
import { api } from '../context.js'
import { Rules } from '../notifications/rules.js'
import { Sinks } from '../notifications/sinks.js'
import { Page } from '../parts/page.js'
import { useRefreshed } from '../parts/refresh.js'

/** How often they are read again, while they are shown. */
const everyMs = 10_000

/** What operators are told, and whether it would reach them. */
export function Notifications() {
  const {
    value,
    refresh: handleTested,
    ...how
  } = useRefreshed(async signal => (await api.GET('/v1/notifications', { signal })).data!, {
    everyMs
  })
  return (
    <Page title="Notifications" help="notifications">
      <RefreshLine {...how} refresh={handleTested} />
      {value?.configured === false && (
        <p>
          Nobody is told what happens: the setting <code>controller_notify</code> names no file.{' '}
          <a href="docs/guide/notifications">How notifications are set up</a>
        </p>
      )}
      {value?.configured === true && (
        <>
          <section aria-labelledby="sinks">
            <h2 id="sinks">Where they go</h2>
            <Sinks sinks={value.sinks} onTested={handleTested} />
          </section>
          <section aria-labelledby="rules">
            <h2 id="rules">What is told</h2>
            <Rules rules={value.rules} />
          </section>
        </>
      )}
    </Page>
  )
}
