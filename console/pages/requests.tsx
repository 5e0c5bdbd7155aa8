import { Page } from '../parts/page.js'

export function Requests() {
  return (
    <Page title="Requests" help="">
      <p>To come.</p>
    </Page>
  )
}
