import { useEffect, useRef, useState } from 'preact/hooks'

/** Takes a file in that is dropped anywhere on the page, and shows that it would. `invitation`: what it says then. */
export function DropZone({ invitation, onFile }: { invitation: string; onFile: (file: File) => void }) {
  const [isOver, setOver] = useState(false)
  const latest = useRef(onFile)
  latest.current = onFile
  useEffect(() => {
    let leaving: ReturnType<typeof setTimeout> | undefined
    const hasFiles = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes('Files') === true
    const over = (event: DragEvent) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      event.stopPropagation()
      setOver(true)
      // It comes several times a second, and the end of it not always.
      clearTimeout(leaving)
      leaving = setTimeout(() => setOver(false), 300)
    }
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      event.stopPropagation()
      setOver(false)
      const [file] = event.dataTransfer!.files
      if (file) latest.current(file)
    }
    // Before an editor, which would put it in at the pointer.
    const options = { capture: true }
    window.addEventListener('dragover', over, options)
    window.addEventListener('drop', drop, options)
    return () => {
      clearTimeout(leaving)
      window.removeEventListener('dragover', over, options)
      window.removeEventListener('drop', drop, options)
    }
  }, [])
  return isOver ? (
    <div class="drop-here" aria-hidden="true">
      {invitation}
    </div>
  ) : null
}
