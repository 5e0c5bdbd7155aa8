import { plain } from '../model/format.js'

/** A value as JSON, behind a click: it is drawn only when it is looked at. */
export function Json({ name, value }: { name: string; value: unknown }) {
  return (
    <details class="json" onToggle={draw(value)}>
      <summary>{name}</summary>
      <pre tabIndex={0} aria-label={name} />
    </details>
  )
}

const draw = (value: unknown) => (event: Event) => {
  const details = event.currentTarget as HTMLDetailsElement
  const text = details.querySelector('pre')!
  if (details.open) text.textContent = plain(JSON.stringify(value, null, 2))
}
