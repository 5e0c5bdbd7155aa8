import { useContext, useMemo } from 'preact/hooks'
import { useMay, useShared } from '../context.js'
import { Checks } from '../deploy/checks.js'
import { ConfigurationEditor } from '../deploy/configuration-editor.js'
import { DeployDialog } from '../deploy/deploy-dialog.js'
import { Deployment } from '../deploy/deployment.js'
import { DeskContext, deskOf, useDesk } from '../deploy/desk.js'
import { Plan } from '../deploy/plan.js'
import { Problems } from '../deploy/problems.js'
import { Notes, Remedies, Sources } from '../deploy/sources.js'
import { Work } from '../deploy/work.js'
import { counted, plain } from '../model/format.js'
import { DropZone } from '../parts/drop-zone.js'
import { Page } from '../parts/page.js'

/** Where a configuration is written, staged, checked and deployed. */
export function Deploy() {
  const { session, stream } = useShared()
  const desk = deskOf(session.name)
  const work = useMemo(() => new Work(desk, () => stream.cluster), [desk, stream])
  const mayAct = useMay('operator')
  return (
    <DeskContext.Provider value={desk}>
      <Page title="Deploy" help="console#deploying">
        <DropZone invitation="Drop the file to open it here" onFile={file => void work.open(file)} />
        <div class="deploy">
          <section class="write" aria-labelledby="configuration">
            <Head />
            <Sources work={work} />
            <ConfigurationEditor work={work} mayStage={mayAct} />
            <Keys />
          </section>
          <section class="act" aria-labelledby="act">
            <h2 id="act">Stage, check, plan, deploy</h2>
            <Actions work={work} mayAct={mayAct} />
            <Said />
            <Remedies work={work} />
            <Notes />
            <Problems />
          </section>
        </div>
        <Deployment work={work} />
        <Plan work={work} />
        <Checks />
        <DeployDialog work={work} />
      </Page>
    </DeskContext.Provider>
  )
}

function Head() {
  const nodes = useDesk(({ draft }) => draft.analysis.nodes)
  const instances = useDesk(({ draft }) => draft.analysis.instances)
  const form = useDesk(({ draft }) => draft.analysis.form)
  const isUnsaved = useDesk(({ draft }) => draft.isUnsaved)
  const fileName = useDesk(({ draft }) => draft.fileName)
  const isStaged = useDesk(
    ({ draft, state }) => draft.isCurrent && !draft.isUnsaved && state.staged?.text === draft.text && draft.text !== ''
  )
  return (
    <div class="head">
      <h2 id="configuration">Configuration</h2>
      <p class="aside text">
        {[
          ...(fileName === undefined ? [] : [plain(fileName)]),
          ...(form === 'json' ? [`${counted(nodes, 'node')} on ${counted(instances, 'instance')}`] : []),
          ...(isUnsaved ? ['not staged'] : isStaged ? ['staged'] : [])
        ].join(' · ')}
      </p>
    </div>
  )
}

function Keys() {
  return (
    <p class="aside keys">
      <kbd>Tab</kbd> leaves the editor, <kbd>Ctrl</kbd> <kbd>Space</kbd> suggests, <kbd>F8</kbd> goes to the next
      problem, <kbd>Ctrl</kbd> <kbd>F</kbd> searches, <kbd>Ctrl</kbd> <kbd>Z</kbd> undoes, <kbd>Ctrl</kbd> <kbd>S</kbd>{' '}
      stages.
    </p>
  )
}

function Actions({ work, mayAct }: { work: Work; mayAct: boolean }) {
  const isEmpty = useDesk(({ draft }) => draft.analysis.form === 'empty')
  const isBusy = useDesk(({ state }) => state.busy !== undefined)
  // Who presses one keeps the focus there while it is done.
  const button = { type: 'button', disabled: !mayAct || isEmpty, 'aria-disabled': isBusy } as const
  return (
    <>
      <div class="actions">
        <div role="group" aria-label="Act on the configuration">
          <button {...button} onClick={() => work.stage()}>
            Stage
          </button>
          <button {...button} onClick={() => work.check()}>
            Check
          </button>
          <button {...button} onClick={() => work.plan()}>
            What would it do?
          </button>
          <button {...button} class="primary" onClick={() => work.prepare()}>
            Deploy…
          </button>
        </div>
      </div>
      <p class="aside">
        {mayAct
          ? 'Staging validates and keeps it, and changes nothing that runs. Checking has each host try its nodes. What it would do is told by the hosts, node by node. Deploying stages it, compares it with what is deployed, and asks before it does.'
          : 'To stage, check and deploy takes the role operator.'}
      </p>
    </>
  )
}

/** What is being done, and what has come of it. */
function Said() {
  const desk = useContext(DeskContext)
  const busy = useDesk(({ state }) => state.busy)
  const news = useDesk(({ state }) => state.news)
  const failure = useDesk(({ state }) => state.failure)
  const isAsked = useDesk(({ state }) => state.asked !== undefined)
  return (
    <>
      <div role="status">
        {busy !== undefined && <p>{busy}</p>}
        {busy === undefined && news !== undefined && (
          <p class="notice good text">
            {plain(news)}{' '}
            {news.startsWith('Staged') ? null : (
              <button type="button" class="quiet" onClick={() => desk.draft.editor?.undo()}>
                Undo
              </button>
            )}
          </p>
        )}
      </div>
      {failure !== undefined && !isAsked && (
        <p role="alert" class="notice bad text">
          {plain(failure)}
        </p>
      )}
    </>
  )
}
