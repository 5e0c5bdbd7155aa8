import { Fragment } from 'preact'
import { useMay } from '../context.js'
import { plain } from '../model/format.js'
import type { Schema } from '../model/types.js'
import { AsOf } from '../parts/as-of.js'
import { Output } from '../parts/output.js'
import { RequestProgress, useRequest } from '../parts/request-progress.js'
import { NodeStateText } from '../parts/state-mark.js'
import { useSubmit } from '../parts/submit.js'
import { Time } from '../parts/time.js'
import { Table } from '../parts/table.js'

/** Has a node looked into on its host: how it is run, how its processes have ended, and where it has crashed. */
export function Diagnose({ name }: { name: string }) {
  const mayAct = useMay('operator', { limited: true })
  const { request, isBusy, failure, submit } = useSubmit('diagnose')
  return (
    <section aria-labelledby="diagnosis">
      <h2 id="diagnosis">Diagnosis</h2>
      <p class="actions">
        <button type="button" disabled={!mayAct || isBusy} onClick={() => void submit({ nodes: [name] })}>
          Diagnose
        </button>{' '}
        <span class="aside">
          {mayAct
            ? 'Looks on the host for its command, its last processes, a core file, and a backtrace of that.'
            : 'To diagnose takes the role operator.'}
        </span>
      </p>
      {failure && (
        <p role="alert" class="notice bad">
          {plain(failure.message)}
        </p>
      )}
      {request && <Outcome key={request.reqid} accepted={request} name={name} />}
    </section>
  )
}

function Outcome({ accepted, name }: { accepted: Schema['ClusterRequest']; name: string }) {
  const request = useRequest(accepted.reqid, accepted) ?? accepted
  const data = request.results[0]?.data
  return (
    <>
      <RequestProgress accepted={accepted} nodes={[name]} />
      {data?.diagnosis && (
        <Told diagnosis={data.diagnosis} at={Date.parse(request.finished_at ?? request.created_at)} name={name} />
      )}
      {request.results[0]?.success === true && (
        <>
          <Output name={`stderr of ${name}`} text={data?.stderr} />
          <Output name={`stdout of ${name}`} text={data?.stdout} />
        </>
      )}
    </>
  )
}

function Told({ diagnosis, at, name }: { diagnosis: Schema['Diagnosis']; at: number; name: string }) {
  const { state, command, options = {}, directory, runs, core, backtrace, notes } = diagnosis
  return (
    <div class="diagnosis" role="group" aria-label={`Diagnosis of ${name}`}>
      <p>
        <NodeStateText state={state} /> <AsOf at={at} />
      </p>
      {notes.length > 0 && (
        <div class="notice doubt">
          <h3>Not found out</h3>
          <ul class="reasons">
            {notes.map(note => (
              <li key={note}>{plain(note)}</li>
            ))}
          </ul>
        </div>
      )}
      <dl>
        <dt>Command</dt>
        <dd>
          <code>{plain(command.map(quoted).join(' '))}</code>
        </dd>
        <dt>Directory</dt>
        <dd>
          <code>{plain(directory)}</code>
        </dd>
        <dt>Core file</dt>
        <dd>{core === undefined ? 'none was found' : <code>{plain(core)}</code>}</dd>
        {Object.entries(options).map(([option, value]) => (
          <Fragment key={option}>
            <dt>{plain(option)}</dt>
            <dd>
              <code>{plain(value)}</code>
            </dd>
          </Fragment>
        ))}
      </dl>
      <Runs runs={runs} name={name} />
      <Output name="Backtrace" text={backtrace} />
    </div>
  )
}

/** Returns a word of a command line as a shell would take it. */
const quoted = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

function Runs({ runs, name }: { runs: Schema['Diagnosis']['runs']; name: string }) {
  if (runs.length === 0) return <p>It has not run yet.</p>
  return (
    <Table name={`Processes of ${name}`} columns={['Process', 'Started', 'Ended', 'Why']}>
      {runs.map(({ pid, started_at: started, ended_at: ended, reason }) => (
        <tr key={`${pid} ${started}`}>
          <td>{pid ?? '-'}</td>
          <td>
            <Time at={started} form="day" />
          </td>
          <td>{ended === undefined ? 'runs' : <Time at={ended} form="day" />}</td>
          <td class="text">{plain(reason ?? '')}</td>
        </tr>
      ))}
    </Table>
  )
}
