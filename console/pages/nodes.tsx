import { Page } from '../parts/page.js'

export function Nodes() {
  return (
    <Page title="Nodes" help="">
      <p>To come.</p>
    </Page>
  )
}
