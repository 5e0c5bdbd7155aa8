import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

/**
 * The buttons at the end of a form that asks: to do it, and not to. `back`: what is said where it is to cancel
 * something.
 */
export function DialogButtons({
  label,
  back = 'Cancel',
  isDisabled,
  onCancel
}: {
  label: string
  back?: string
  isDisabled: boolean
  onCancel: () => void
}) {
  return (
    <p class="buttons">
      <button type="submit" class="primary" disabled={isDisabled}>
        {label}
      </button>
      <button type="button" onClick={onCancel}>
        {back}
      </button>
    </p>
  )
}

/** A modal dialog: the browser's own, which keeps the focus and closes with Escape. */
export function Dialog({
  title,
  children,
  onClose
}: {
  title: string
  children: ComponentChildren
  onClose: () => void
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const before = document.activeElement
    dialog.current!.showModal()
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={onClose}>
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  )
}
