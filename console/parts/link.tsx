import type { ComponentProps } from 'preact'
import { useEffect } from 'preact/hooks'
import { useLocation } from 'wouter-preact'
import { basePath } from '../context.js'

/**
 * A link to another page of the console. Who shows links listens for all of them together, by `useLinks`: a handler of
 * each would keep the page in memory that was drawn when the link came, and a page holds hundreds.
 */
export function Link({ href, ...more }: ComponentProps<'a'> & { href: string }) {
  return <a href={`${basePath}${href}`} data-page={href} {...more} />
}

/** Opens the page that a link leads to, where it was not opened elsewhere: in another tab or window. */
export function useLinks(): void {
  const [, navigate] = useLocation()
  useEffect(() => {
    const open = (event: MouseEvent) => {
      const link = (event.target as Element).closest<HTMLAnchorElement>('a[data-page]')
      if (!link || event.defaultPrevented || event.button !== 0) return
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
      event.preventDefault()
      navigate(link.dataset.page!)
    }
    document.addEventListener('click', open)
    return () => document.removeEventListener('click', open)
  }, [navigate])
}
