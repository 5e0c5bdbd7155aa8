import { Page } from '../parts/page.js'

export function Events() {
  return (
    <Page title="Events" help="">
      <p>To come.</p>
    </Page>
  )
}
