import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  observeWindowOffset,
  observeWindowRect,
  Virtualizer,
  windowScroll,
  type VirtualizerOptions
} from '@tanstack/virtual-core'
import { useLayoutEffect, useReducer, useState } from 'preact/hooks'

type Options<S extends Element | Window> = VirtualizerOptions<S, HTMLElement>
type Given<S extends Element | Window> = Omit<
  Options<S>,
  'observeElementRect' | 'observeElementOffset' | 'scrollToFn' | 'onChange'
>

function useVirtual<S extends Element | Window>(options: Options<S>): Virtualizer<S, HTMLElement> {
  const [, draw] = useReducer((count: number) => count + 1, 0)
  const all = { ...options, onChange: () => draw(undefined) }
  const [rows] = useState(() => new Virtualizer(all))
  rows.setOptions(all)
  useLayoutEffect(() => rows._didMount(), [])
  useLayoutEffect(() => rows._willUpdate())
  return rows
}

/** Returns which rows of many are to be drawn where, in an element that scrolls. */
export const useRowsOfElement = (given: Given<Element>): Virtualizer<Element, HTMLElement> =>
  useVirtual({ ...given, observeElementRect, observeElementOffset, scrollToFn: elementScroll })

/** Returns which rows of many are to be drawn where, in a page that scrolls. */
export const useRowsOfPage = (given: Omit<Given<Window>, 'getScrollElement'>): Virtualizer<Window, HTMLElement> =>
  useVirtual<Window>({
    ...given,
    getScrollElement: () => window,
    observeElementRect: observeWindowRect,
    observeElementOffset: observeWindowOffset,
    scrollToFn: windowScroll,
    initialOffset: () => window.scrollY
  })
