import { Page } from '../parts/page.js'

export function Deploy() {
  return (
    <Page title="Deploy" help="">
      <p>To come.</p>
    </Page>
  )
}
