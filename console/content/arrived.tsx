import { useEffect } from 'preact/hooks'
import { plain } from '../model/format.js'
import { useUpload } from './upload.js'

/** Says of a bundle that it was just uploaded. */
export function Arrived({ id }: { id: string }) {
  const upload = useUpload()
  const { file, done } = upload.state
  const isThis = done?.bundle.id === id
  // It is said once.
  useEffect(() => (isThis ? () => upload.forget() : undefined), [isThis, upload])
  if (!isThis) return null
  return (
    <p role="status" class="notice good text">
      {plain(file!.name)} is uploaded
      {done.isNew ? '.' : ': its content was there already, and the same content is one bundle.'}
    </p>
  )
}
