import { useLocation, useSearch } from 'wouter-preact'

/** Returns what the URL asks for, and what changes a part of it: a filter can be linked to, and "back" undoes it. */
export function useQuery(): [URLSearchParams, (change: Record<string, string>) => void] {
  const query = new URLSearchParams(useSearch())
  const [path, navigate] = useLocation()
  const change = (values: Record<string, string>) => {
    const next = new URLSearchParams(query)
    for (const [name, value] of Object.entries(values)) {
      if (value === '') next.delete(name)
      else next.set(name, value)
    }
    const text = next.toString()
    // Each letter of a text that is typed is not a place of its own.
    navigate(text === '' ? path : `${path}?${text}`, { replace: true })
  }
  return [query, change]
}
