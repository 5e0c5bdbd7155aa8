import { Page } from '../parts/page.js'

export function Host({ name }: { name: string }) {
  return (
    <Page title={name} help="">
      <p>To come.</p>
    </Page>
  )
}
