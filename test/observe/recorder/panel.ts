import { openPage } from '../../browser.ts'
import type { Ending } from '../../harness.ts'
import { until } from '../../until.ts'

/** The network panel of a browser's developer tools, used through its page. */
export interface NetworkPanel {
  /** Imports a HAR file. Resolves once that many requests are listed. */
  load(file: string, count: number): Promise<Row[]>
  /** Opens a tab of a request and returns its text once it matches, or after a while what it shows then. */
  read(name: string, tab: Tab, expected: RegExp): Promise<string>
  errors: string[]
}

export type Tab = 'Headers' | 'Payload' | 'Preview' | 'Response' | 'Timing'

/** Columns of the list. */
export interface Row {
  name: string
  status: string
  type: string
  size: string
  time: string
}

/** Returns the visible text in one line; the parts of the panel are in shadow trees. */
const FIND = `
globalThis.all = (selector, root = document) => [...root.querySelectorAll('*')].flatMap(one =>
  [...(one.matches(selector) ? [one] : []), ...(one.shadowRoot ? all(selector, one.shadowRoot) : [])])
globalThis.textOf = node => {
  if (node.nodeType === Node.TEXT_NODE) return node.data
  if (node.nodeType === Node.ELEMENT_NODE && (node.matches('style, script') || getComputedStyle(node).display === 'none'))
    return ''
  const children = node.localName === 'slot' ? node.assignedNodes() : (node.shadowRoot ?? node).childNodes
  const isInline = node.nodeType === Node.ELEMENT_NODE && getComputedStyle(node).display === 'inline'
  return [...children].map(textOf).join('') + (isInline ? '' : ' ')
}
globalThis.press = element => {
  element.dispatchEvent(new MouseEvent('mousedown', { bubbles: true, composed: true }))
  element.click()
}`
const INPUT = `all('input[type=file]')[0]`
const ROWS = `all('tr.data-grid-data-grid-node')`
const OPENED = `all('.network-item-view')[0]`

/** Opens Chromium's developer tools without a page to inspect. */
export async function openNetworkPanel(t: Ending): Promise<NetworkPanel> {
  const page = await openPage(t, 'devtools://devtools/bundled/devtools_app.html?panel=network')
  await until(() => page.evaluate(`document.readyState === 'complete'`))
  await page.evaluate(FIND)
  await until(() => page.evaluate(`${INPUT} !== undefined`))

  return { load, read, errors: page.errors }

  async function load(file: string, count: number): Promise<Row[]> {
    await page.choose(INPUT, file)
    await until(async () => (await rows()).length === count)
    return rows()
  }

  function rows(): Promise<Row[]> {
    return page.evaluate(`${ROWS}.map(row => Object.fromEntries(
      ['name', 'status', 'type', 'size', 'time'].map(name => [name, row.querySelector('.' + name + '-column').innerText.replaceAll('\\xa0', ' ')])))`)
  }

  async function read(name: string, tab: Tab, expected: RegExp): Promise<string> {
    const cell = `${ROWS}.map(row => row.querySelector('.name-column')).find(cell => cell.innerText === '${name}')`
    await page.evaluate(`press(${cell})`)
    const button = `all('[role=tab]', ${OPENED}.shadowRoot).find(tab => tab.innerText === '${tab}')`
    await until(() => page.evaluate(`${OPENED} && ${button} !== undefined`))
    await page.evaluate(`press(${button})`)
    let text = ''
    await until(async () => {
      text = (await page.evaluate(`textOf(${OPENED})`)).replace(/\s+/g, ' ')
      return expected.test(text)
    }, 10_000).catch(() => {})
    return text
  }
}
