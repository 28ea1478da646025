import { render } from 'preact'
import { App } from './app.tsx'
import './styles/base.css'
import './styles/content.css'
import './styles/tables.css'
import './styles/forms.css'
import './styles/charts.css'
import './styles/phone.css'

render(<App />, document.getElementById('app') as HTMLElement)
