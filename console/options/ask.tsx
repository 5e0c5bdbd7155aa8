import { useCluster } from '../context.js'
import { effectsOf, titleOfChange, type OptionChange, type SetOption } from '../model/options.js'
import type { ClusterRequest } from '../model/types.js'
import { ChangeDialog } from '../parts/change.js'
import { useSubmit } from '../parts/submit.js'

/** Asks for a change of an option, or before it is made. `options`: those that are set. */
export function AskOption({
  change,
  options,
  onAccepted,
  onClose
}: {
  change: OptionChange
  options: readonly SetOption[]
  onAccepted: (change: OptionChange, request: ClusterRequest) => void
  onClose: () => void
}) {
  const nodes = useCluster(cluster => cluster.nodes)
  const submission = useSubmit(change.type)
  const isSetting = change.type === 'set_option'
  const send = async (fields: FormData) => {
    const text = (field: string) => String(fields.get(field)).trim()
    const sent: OptionChange = isSetting ? { ...change, name: text('name'), value: text('value') } : change
    const { type: _, ...args } = sent
    const request = await submission.submit(args)
    if (request) onAccepted(sent, request)
  }
  return (
    <ChangeDialog
      title={titleOfChange(change)}
      label={isSetting ? 'Set' : 'Unset'}
      effects={effectsOf(change, options, nodes.values())}
      submission={submission}
      onSubmit={send}
      onClose={onClose}
    >
      {isSetting && <Fields change={change} isListed={options.some(({ name }) => name === change.name)} />}
    </ChangeDialog>
  )
}

function Fields({
  change: { name, value },
  isListed
}: {
  change: Extract<OptionChange, { type: 'set_option' }>
  isListed: boolean
}) {
  const isPlain = { autocomplete: 'off', spellcheck: false, autocapitalize: 'off' } as const
  return (
    <>
      <label>
        Name
        <input
          {...isPlain}
          name="name"
          required
          readOnly={isListed}
          defaultValue={name}
          maxLength={128}
          placeholder="Site::local_nets"
        />
      </label>
      <label>
        Value
        <textarea
          {...isPlain}
          name="value"
          rows={3}
          maxLength={8192}
          defaultValue={value}
          placeholder="10.0.0.0/8,192.168.0.0/16"
          aria-describedby="value-form"
        />
      </label>
      <p id="value-form" class="aside">
        Strings without quotes, sets and vectors as <code>a,b,c</code>, intervals in seconds, <code>T</code> and{' '}
        <code>F</code>.
      </p>
    </>
  )
}
