import { render } from 'preact'
import { App } from './app.js'
import { applyTheme } from './parts/account.js'

applyTheme()
render(<App />, document.querySelector('#console')!)
