import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { useLocation } from 'wouter-preact'

/** A page: its title, and a "?" that opens the page of the guide that explains it. */
export function Page({
  title,
  help,
  actions,
  children
}: {
  title: string
  /** A page of the guide, as `operating#health`. */
  help: string
  actions?: ComponentChildren
  children: ComponentChildren
}) {
  const heading = useRef<HTMLHeadingElement>(null)
  const [location] = useLocation()
  useEffect(() => {
    document.title = `${title} · Zeek cluster`
  }, [title])
  useEffect(() => {
    // Not at the first page: there the browser's own place is right.
    if (history.state !== null || document.activeElement !== document.body) heading.current?.focus()
  }, [location])
  return (
    <>
      <div class="title">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        <a class="help" href={`docs/guide/${help}`} target="_blank" rel="noreferrer" aria-label={`Guide: ${title}`}>
          ?
        </a>
        {actions}
      </div>
      {children}
    </>
  )
}
