import { useRef, useState } from 'preact/hooks'

/** Text with a button that copies it, or selects it where the page may not write the clipboard (plain HTTP). */
export function CopyText({ label, text }: { label: string; text: string }) {
  const element = useRef<HTMLPreElement>(null)
  const [done, setDone] = useState('')

  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text)
      setDone('Copied.')
    } catch {
      getSelection()?.selectAllChildren(element.current as Node)
      setDone('Selected: copy it with the keyboard.')
    }
  }

  return (
    <details>
      <summary>{label}</summary>
      <pre ref={element}>{text}</pre>
      <p class="buttons">
        <button type="button" onClick={copy}>
          Copy
        </button>
        <span role="status">{done}</span>
      </p>
    </details>
  )
}
