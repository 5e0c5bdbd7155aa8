import type { ComponentChildren } from 'preact'
import { useEffect, useMemo, useState } from 'preact/hooks'
import { Route, Router, Switch, useLocation } from 'wouter-preact'
import { Link, useLinks } from './parts/link.js'
import { Refusal } from './api.js'
import { api, basePath, baseUrl, SharedContext, useShared, useStream } from './context.js'
import type { Schema } from './model/types.js'
import { Account } from './parts/account.js'
import { LinkBanner, LinkMark } from './parts/link-mark.js'
import { later } from './parts/later.js'
import { Login } from './pages/login.js'
import { Overview } from './pages/overview.js'
import { NotFound } from './pages/not-found.js'
import { Stream } from './stream/stream.js'

const Nodes = later(async () => (await import('./pages/nodes.js')).Nodes)
const NodePage = later(async () => (await import('./pages/node.js')).NodePage)
const Hosts = later(async () => (await import('./pages/hosts.js')).Hosts)
const Host = later(async () => (await import('./pages/host.js')).Host)
const Groups = later(async () => (await import('./pages/groups.js')).GroupsPage)
const Deploy = later(async () => (await import('./pages/deploy.js')).Deploy)
const Revisions = later(async () => (await import('./pages/revisions.js')).Revisions)
const RevisionPage = later(async () => (await import('./pages/revision.js')).RevisionPage)
const Content = later(async () => (await import('./pages/content.js')).Content)
const BundlePage = later(async () => (await import('./pages/bundle.js')).BundlePage)
const Options = later(async () => (await import('./pages/options.js')).Options)
const Intel = later(async () => (await import('./pages/intel.js')).Intel)
const Events = later(async () => (await import('./pages/events.js')).Events)
const Notifications = later(async () => (await import('./pages/notifications.js')).Notifications)
const Requests = later(async () => (await import('./pages/requests.js')).Requests)
const RequestPage = later(async () => (await import('./pages/request.js')).RequestPage)
const Audit = later(async () => (await import('./pages/audit.js')).Audit)

interface PageLink {
  path: string
  name: string
  /** Whether it is of the whole cluster, and so refused to who is limited to some instances. */
  isOfCluster?: boolean
}

/** The pages, in the order of the navigation. */
const pages: readonly PageLink[] = [
  { path: '/', name: 'Overview' },
  { path: '/nodes', name: 'Nodes' },
  { path: '/hosts', name: 'Hosts' },
  { path: '/groups', name: 'Groups' },
  { path: '/deploy', name: 'Deploy', isOfCluster: true },
  { path: '/revisions', name: 'Revisions', isOfCluster: true },
  { path: '/content', name: 'Content', isOfCluster: true },
  { path: '/options', name: 'Options', isOfCluster: true },
  { path: '/intel', name: 'Intelligence', isOfCluster: true },
  { path: '/events', name: 'Events' },
  { path: '/requests', name: 'Requests' },
  { path: '/notifications', name: 'Notifications', isOfCluster: true },
  { path: '/audit', name: 'Audit' }
]

export function App() {
  const stream = useMemo(() => new Stream(baseUrl), [])
  return (
    <Router base={basePath}>
      <SignedIn stream={stream} />
    </Router>
  )
}

/** Shows the pages to who is signed in, and the login to others. */
function SignedIn({ stream }: { stream: Stream }) {
  const link = useStream(stream, () => stream.link)
  const [session, setSession] = useState<Schema['Session']>()
  const [isAsked, setAsked] = useState(false)
  // The stream has found out that there is no session; the session says the role.
  useEffect(() => {
    if (link.state === 'signed-out') return setSession(undefined)
    if (link.state !== 'live' || session !== undefined) return
    const closing = new AbortController()
    readSession(closing.signal)
      .then(setSession, () => {})
      .finally(() => setAsked(true))
    return () => closing.abort()
  }, [link.state, session === undefined])
  const shared = useMemo(() => session && { stream, session }, [stream, session])
  if (link.state === 'signed-out') return <Login reason={link.reason} onDone={() => stream.look(true)} />
  if (!shared) return <Connecting stream={stream} isAsked={isAsked} />
  return (
    <SharedContext.Provider value={shared}>
      <Shell>
        <Switch>
          <Route path="/">
            <Overview />
          </Route>
          <Route path="/login">
            <Overview />
          </Route>
          <Route path="/nodes">
            <Nodes />
          </Route>
          <Route path="/nodes/:node">{({ node }) => <NodePage key={node} name={node} />}</Route>
          <Route path="/hosts">
            <Hosts />
          </Route>
          <Route path="/hosts/:instance">{({ instance }) => <Host key={instance} name={instance} />}</Route>
          <Route path="/groups">
            <Groups />
          </Route>
          <Route path="/deploy">
            <Deploy />
          </Route>
          <Route path="/revisions">
            <Revisions />
          </Route>
          <Route path="/revisions/:revision">
            {({ revision }) => <RevisionPage key={revision} revision={revision} />}
          </Route>
          <Route path="/content">
            <Content />
          </Route>
          <Route path="/content/:bundle">{({ bundle }) => <BundlePage key={bundle} bundle={bundle} />}</Route>
          <Route path="/options">
            <Options />
          </Route>
          <Route path="/intel">
            <Intel />
          </Route>
          <Route path="/events">
            <Events />
          </Route>
          <Route path="/requests">
            <Requests />
          </Route>
          <Route path="/requests/:reqid">{({ reqid }) => <RequestPage key={reqid} reqid={reqid} />}</Route>
          <Route path="/notifications">
            <Notifications />
          </Route>
          <Route path="/audit">
            <Audit />
          </Route>
          <Route>
            <NotFound />
          </Route>
        </Switch>
      </Shell>
    </SharedContext.Provider>
  )
}

async function readSession(signal: AbortSignal): Promise<Schema['Session'] | undefined> {
  try {
    return (await api.GET('/v1/session', { signal })).data
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) return undefined
    throw error
  }
}

function Connecting({ stream, isAsked }: { stream: Stream; isAsked: boolean }) {
  const link = useStream(stream, () => stream.link)
  return (
    <main class="connecting" aria-busy="true">
      <h1>Zeek cluster</h1>
      <p role="status">
        {link.state === 'lost' ? `The controller is not reached: ${link.reason}. Trying again.` : 'Connecting…'}
        {isAsked && ' It does not say who is signed in.'}
      </p>
    </main>
  )
}

function Shell({ children }: { children: ComponentChildren }) {
  const [location] = useLocation()
  const { session } = useShared()
  const shown = pages.filter(({ isOfCluster }) => !isOfCluster || session.labels === undefined)
  useLinks()
  // A reader with a screen reader hears of the new page; a sighted one sees its top.
  useEffect(() => {
    document.querySelector('.bar nav [aria-current]')?.scrollIntoView({ inline: 'nearest', block: 'nearest' })
    window.scrollTo(0, 0)
  }, [location])
  return (
    <>
      <a class="skip" href={`${basePath}${location}#content`} onClick={toContent}>
        Skip to content
      </a>
      <header class="bar">
        <Link href="/" class="brand">
          Zeek cluster
        </Link>
        <nav aria-label="Pages">
          <ul>
            {shown.map(({ path, name }) => (
              <li key={path}>
                <Link href={path} aria-current={isUnder(location, path) ? 'page' : undefined}>
                  {name}
                </Link>
              </li>
            ))}
          </ul>
        </nav>
        <LinkMark />
        <Account />
      </header>
      <LinkBanner />
      <main id="content" tabIndex={-1}>
        {children}
      </main>
    </>
  )
}

function toContent(event: Event) {
  event.preventDefault()
  document.querySelector<HTMLElement>('#content')?.focus()
}

const isUnder = (location: string, path: string) =>
  path === '/' ? location === '/' : location === path || location.startsWith(`${path}/`)
