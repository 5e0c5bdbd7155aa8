import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import { plain } from '../model/format.js'
import type { StepFields, StepNumber, Strategy } from '../model/strategy.js'
import type { Schema } from '../model/types.js'

type Faults = readonly Schema['FieldError'][]

/** What is chosen how a deployment goes over the nodes, and what is wrong with it. */
interface Chosen {
  steps: StepFields
  onChange: (part: Partial<StepFields>) => void
  faults: Faults
}

const strategies: readonly [Strategy | '', string][] = [
  ['', 'as the controller is set'],
  ['at_once', 'all at once'],
  ['by_role', 'role by role'],
  ['rolling', 'a few at a time']
]

/** Where it is chosen how a deployment goes over the nodes: in which steps, and what must hold before the next one. */
export function StrategyFields(chosen: Chosen) {
  const { steps, onChange, faults } = chosen
  const id = useId()
  const isInSteps = steps.strategy === 'by_role' || steps.strategy === 'rolling'
  const fault = faultOf(faults, 'strategy')
  return (
    <>
      <div class="line">
        <label for={id}>Nodes are changed</label>
        <select
          id={id}
          value={steps.strategy ?? ''}
          onChange={event => onChange({ strategy: (event.currentTarget.value || undefined) as Strategy | undefined })}
        >
          {strategies.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </div>
      {fault !== undefined && <p class="fault text">{plain(fault)}</p>}
      {steps.strategy === 'rolling' && <Pace {...chosen} />}
      {isInSteps && (
        <NumberField {...chosen} name="canary" label="Canary: workers that come first" placeholder="none" />
      )}
      {isInSteps && <Conditions {...chosen} />}
    </>
  )
}

/** How many at a time, as a number or as a share of a role. */
function Pace(chosen: Chosen) {
  const { steps, onChange } = chosen
  const { max_parallel_percent: percent, max_parallel: number, ...others } = steps.numbers
  const isPercent = percent !== undefined
  const choose = (unit: string) => {
    const value = percent ?? number ?? ''
    const name = unit === '%' ? 'max_parallel_percent' : 'max_parallel'
    onChange({ numbers: { ...others, [name]: value } })
  }
  return (
    <NumberField
      {...chosen}
      name={isPercent ? 'max_parallel_percent' : 'max_parallel'}
      label="At a time"
      placeholder={isPercent ? '' : '1'}
      unit={
        <select
          aria-label="Unit"
          value={isPercent ? '%' : 'nodes'}
          onChange={event => choose(event.currentTarget.value)}
        >
          <option value="nodes">nodes</option>
          <option value="%">% of a role</option>
        </select>
      }
    />
  )
}

const conditions: readonly { name: StepNumber; label: string; unit: string; placeholder: string }[] = [
  { name: 'min_healthy_seconds', label: 'Healthy for', unit: 's before the next step', placeholder: '5' },
  { name: 'max_drop_percent', label: 'Drop at most', unit: '% of packets', placeholder: 'any' },
  { name: 'max_lag_seconds', label: 'Lag at most', unit: 's', placeholder: 'any' },
  { name: 'max_memory_bytes', label: 'Memory at most', unit: 'MiB', placeholder: 'any' },
  { name: 'max_errors', label: 'Errors at most', unit: 'since the start of a node', placeholder: 'any' },
  { name: 'max_parallel_per_instance', label: 'On one host at most', unit: 'at a time', placeholder: 'any' },
  { name: 'canary_seconds', label: 'Canary waits for', unit: 's', placeholder: '600' }
]

/** What must hold before the next step, and what follows when it does not. */
function Conditions(chosen: Chosen) {
  const { steps, onChange, faults } = chosen
  const { autoRevert, autoPromote, skipFailed, strategy } = steps
  const shown = conditions.filter(({ name }) => strategy === 'rolling' || name !== 'max_parallel_per_instance')
  const others = ['auto_revert', 'auto_promote', 'on_check_failure']
  const isFaulty = [...shown.map(({ name }) => name as string), ...others].some(
    name => faultOf(faults, name) !== undefined
  )
  return (
    <details open={isFaulty}>
      <summary>What must hold, and what follows when it does not</summary>
      {shown.map(one => (
        <NumberField key={one.name} {...chosen} {...one} />
      ))}
      <Choice
        isChosen={autoRevert}
        label="When a step fails, take back what was changed"
        fault={faultOf(faults, 'auto_revert')}
        onChange={() => onChange({ autoRevert: !autoRevert })}
      />
      <Choice
        isChosen={autoPromote}
        label="Promote the canary when nobody has decided; else it is taken back"
        fault={faultOf(faults, 'auto_promote')}
        onChange={() => onChange({ autoPromote: !autoPromote })}
      />
      <Choice
        isChosen={skipFailed}
        label="Leave nodes that fail their check as they are, and go on with the others"
        fault={faultOf(faults, 'on_check_failure')}
        onChange={() => onChange({ skipFailed: !skipFailed })}
      />
    </details>
  )
}

function Choice({
  isChosen,
  label,
  fault,
  onChange
}: {
  isChosen: boolean
  label: string
  fault: string | undefined
  onChange: () => void
}) {
  const id = useId()
  return (
    <>
      <label>
        <input
          type="checkbox"
          checked={isChosen}
          aria-describedby={fault === undefined ? undefined : id}
          onChange={onChange}
        />{' '}
        {label}
      </label>
      {fault !== undefined && (
        <p id={id} class="fault text">
          {plain(fault)}
        </p>
      )}
    </>
  )
}

/** A number, with what the controller has said of it. */
function NumberField({
  steps,
  onChange,
  faults,
  name,
  label,
  unit = '',
  placeholder
}: Chosen & {
  name: StepNumber
  label: string
  unit?: ComponentChildren
  placeholder: string
}) {
  const id = useId()
  const fault = faultOf(faults, name)
  return (
    <>
      <div class="line">
        <label for={`${id}-field`}>{label}</label>
        <input
          id={`${id}-field`}
          type="number"
          step="any"
          value={steps.numbers[name] ?? ''}
          placeholder={placeholder}
          aria-invalid={fault !== undefined}
          aria-describedby={fault === undefined ? undefined : id}
          onInput={event => onChange({ numbers: { ...steps.numbers, [name]: event.currentTarget.value } })}
        />
        {typeof unit === 'string' ? <span>{unit}</span> : unit}
      </div>
      {fault !== undefined && (
        <p id={id} class="fault text">
          {plain(fault)}
        </p>
      )}
    </>
  )
}

const faultOf = (faults: Faults, name: string) => faults.find(({ field }) => field === `body/${name}`)?.message
