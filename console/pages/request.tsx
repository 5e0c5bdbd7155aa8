import { Page } from '../parts/page.js'

export function RequestPage({ reqid }: { reqid: string }) {
  return (
    <Page title={reqid} help="">
      <p>To come.</p>
    </Page>
  )
}
