import { Page } from '../parts/page.js'

export function Hosts() {
  return (
    <Page title="Hosts" help="">
      <p>To come.</p>
    </Page>
  )
}
