import type { ComponentProps } from 'preact'
import { useRef } from 'preact/hooks'

interface FileChoiceProps extends ComponentProps<'button'> {
  /** What is chosen. */
  name: string
  /** Endings and media types, as HTML has them. */
  accept: string
  onFile: (file: File) => void
}

/** A button by which a file is chosen. */
export function FileChoice({ name, accept, onFile, ...button }: FileChoiceProps) {
  const input = useRef<HTMLInputElement>(null)
  const choose = (event: Event) => {
    const field = event.currentTarget as HTMLInputElement
    const [file] = field.files ?? []
    // The same file can be chosen again.
    field.value = ''
    if (file) onFile(file)
  }
  return (
    <>
      <button type="button" {...button} onClick={() => input.current?.click()} />
      <input ref={input} type="file" hidden aria-label={name} accept={accept} onChange={choose} />
    </>
  )
}
