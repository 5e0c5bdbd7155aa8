import { useContext, useEffect, useRef } from 'preact/hooks'
import { useShared } from '../context.js'
import { DeskContext, useDesk } from './desk.js'
import { openEditor } from './editor.js'
import { useProblems } from './problems.js'
import { connectedIn, type Work } from './work.js'

/** The editor of the text on the desk. */
export function ConfigurationEditor({ work, mayStage }: { work: Work; mayStage: boolean }) {
  const desk = useContext(DeskContext)
  const { stream } = useShared()
  const host = useRef<HTMLDivElement>(null)
  const problems = useProblems()
  const isCurrent = useDesk(({ draft }) => draft.isCurrent)
  const isJson = useDesk(({ draft }) => draft.analysis.form === 'json')
  const save = useRef(() => {})
  save.current = () => {
    if (mayStage) void work.stage()
  }
  useEffect(() => {
    const { draft } = desk
    const editor = openEditor(host.current!, {
      draft,
      connected: () => connectedIn(stream.cluster),
      onSave: () => save.current()
    })
    draft.editor = editor
    return () => {
      draft.editor = undefined
      editor.close()
    }
  }, [desk, stream])
  useEffect(() => {
    // The marks of before go with what is written, until it rests.
    if (isCurrent) desk.draft.editor?.show(problems)
  }, [desk, problems, isCurrent])
  useEffect(() => {
    desk.draft.editor?.isJson(isJson)
  }, [desk, isJson])
  return <div class="editor" ref={host} />
}
