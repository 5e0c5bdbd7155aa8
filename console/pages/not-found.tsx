import { Link } from '../parts/link.js'
import { Page } from '../parts/page.js'

export function NotFound() {
  return (
    <Page title="There is no such page" help="">
      <p>
        <Link href="/">To the overview</Link>
      </p>
    </Page>
  )
}
