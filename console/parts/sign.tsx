const signs = { added: '+', removed: '−', changed: '~' }

/** A sign for what is different. It says nothing to a screen reader: the word stands beside it. */
export function Sign({ kind }: { kind: keyof typeof signs }) {
  return (
    <span class={`sign ${kind}`} aria-hidden="true">
      {signs[kind]}
    </span>
  )
}
