import { Page } from '../parts/page.js'

export function Audit() {
  return (
    <Page title="Audit" help="">
      <p>To come.</p>
    </Page>
  )
}
