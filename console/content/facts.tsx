import { usersOf, type Bundle } from '../model/bundles.js'
import { bytes, plain } from '../model/format.js'
import { Link } from '../parts/link.js'
import { Time } from '../parts/time.js'

/** What is known of a bundle. */
export function BundleFacts({
  bundle: { id, names, files, size, used_by: users, created_at: at, created_by: by }
}: {
  bundle: Bundle
}) {
  return (
    <section aria-label="The bundle">
      <dl>
        <dt>ID</dt>
        <dd>
          <code>{id}</code>
        </dd>
        <dt>Names</dt>
        <dd>{names.length === 0 ? 'none points to it now' : names.map(plain).join(', ')}</dd>
        <dt>Used by</dt>
        <dd>
          {users.length > 0 ? (
            <>
              {usersOf(users)}
              {users.includes('intel') && (
                <>
                  {'. '}
                  <Link href="/intel">Intelligence</Link>
                </>
              )}
            </>
          ) : (
            <>
              no configuration; <code>"bundle": "{plain(names[0] ?? id)}"</code> in one has its nodes load it.{' '}
              <Link href="/deploy">Deploy</Link>
            </>
          )}
        </dd>
        <dt>Files</dt>
        <dd>
          {files}, {bytes(size)}
        </dd>
        <dt>Uploaded</dt>
        <dd>
          <Time at={at} form="day" />
          {by !== undefined && ` by ${plain(by)}`}
        </dd>
      </dl>
    </section>
  )
}
