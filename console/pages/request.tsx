import { Link } from '../parts/link.js'
import { api } from '../context.js'
import { nameOf } from '../model/event-words.js'
import { plain, span } from '../model/format.js'
import { toneOfRequest } from '../model/states.js'
import type { DomainEvent, RequestResult } from '../model/types.js'
import { Captures } from '../parts/captures.js'
import { DeploymentEnding } from '../parts/deployment-ending.js'
import { EventLine } from '../parts/event-line.js'
import { Json } from '../parts/json.js'
import { ListFoot } from '../parts/list-foot.js'
import { Output } from '../parts/output.js'
import { Page } from '../parts/page.js'
import { usePages } from '../parts/pages.js'
import { RequestProgress, useRequest } from '../parts/request-progress.js'
import { StateMark } from '../parts/state-mark.js'
import { Time } from '../parts/time.js'

/** One request: what was asked, how it goes, what came of it. */
export function RequestPage({ reqid }: { reqid: string }) {
  const request = useRequest(reqid)
  const state = request?.state ?? ''
  // Its events once more when it is answered.
  const events = usePages<DomainEvent>(`${reqid} ${state !== '' && state !== 'pending'}`, async (after, signal) => {
    const { data } = await api.GET('/v1/events/history', { params: { query: { reqid, limit: 100, after } }, signal })
    return { items: data!.events as DomainEvent[], next: data!.next }
  })
  if (!request) {
    return (
      <Page title="Request" help="http-api#requests">
        <p>
          No request {reqid} is kept, or it could not be read. <Link href="/requests">All requests</Link>
        </p>
      </Page>
    )
  }
  const { type, created_at: created, finished_at: finished, expires_at: expires, arguments: args, results } = request
  return (
    <Page title={`Request: ${nameOf(type)}`} help="http-api#requests">
      <section aria-labelledby="what">
        <h2 id="what">
          <StateMark tone={toneOfRequest(state)} /> {state}
        </h2>
        <dl>
          <dt>ID</dt>
          <dd>
            <code>{reqid}</code>
          </dd>
          <dt>Submitted</dt>
          <dd>
            <Time at={created} form="exact" />
          </dd>
          {finished === undefined ? (
            <>
              <dt>Times out</dt>
              <dd>
                <Time at={expires} form="exact" />
              </dd>
            </>
          ) : (
            <>
              <dt>Answered</dt>
              <dd>
                <Time at={finished} form="exact" />, after {span((Date.parse(finished) - Date.parse(created)) / 1000)}
              </dd>
            </>
          )}
        </dl>
        <Json name="Arguments" value={args} />
        <RequestProgress accepted={request} nodes={args.nodes ?? []} />
        {type === 'deploy' && (
          <DeploymentEnding request={request}>
            {state !== 'succeeded' && <Link href="/deploy">Deploy again</Link>}
          </DeploymentEnding>
        )}
      </section>
      <section aria-labelledby="results">
        <h2 id="results">Results</h2>
        <Results results={results} />
      </section>
      <section aria-labelledby="events">
        <h2 id="events">Its events</h2>
        <ol class="events">
          {events.items.map(event => (
            <EventLine key={event.cursor} event={event} isWhole />
          ))}
        </ol>
        <ListFoot list={events} what="Events" isLive={false} />
      </section>
    </Page>
  )
}

/** Of more results the first are shown, those that have failed before others. */
const resultsShown = 200

function Results({ results }: { results: readonly RequestResult[] }) {
  if (results.length === 0) return <p>None yet.</p>
  const sorted = [...results].sort((a, b) => Number(a.success) - Number(b.success)).slice(0, resultsShown)
  return (
    <>
      <ul class="results">
        {sorted.map((result, index) => (
          <Result key={index} result={result} />
        ))}
      </ul>
      {results.length > resultsShown && <p>and {results.length - resultsShown} more, which have not failed</p>}
    </>
  )
}

function Result({ result: { success, node, instance, error, data } }: { result: RequestResult }) {
  return (
    <li>
      <StateMark tone={success ? 'good' : 'bad'} /> <span class="visually-hidden">{success ? 'done' : 'failed'}</span>{' '}
      {node !== undefined && <Link href={`/nodes/${node}`}>{node}</Link>}{' '}
      {instance !== undefined && <Link href={`/hosts/${instance}`}>{instance}</Link>}
      {node === undefined && instance === undefined && 'The controller'} <span class="text">{plain(error ?? '')}</span>
      {(data?.findings ?? []).map(({ level, message, file, line }, index) => (
        <p key={index} class="text">
          {level}: {file !== undefined && <code>{plain(`${file}${line === undefined ? '' : `:${line}`}`)}</code>}{' '}
          {plain(message)}
        </p>
      ))}
      {data?.captures && data.captures.length > 0 && <Captures captures={data.captures} />}
      <Output name={`stderr of ${node ?? instance ?? 'it'}`} text={data?.stderr} />
      <Output name={`stdout of ${node ?? instance ?? 'it'}`} text={data?.stdout} />
      {data !== undefined && <Json name="Data" value={data} />}
    </li>
  )
}
