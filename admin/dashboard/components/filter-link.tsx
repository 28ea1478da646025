import { hrefOf, query } from '../store/location.ts'

interface Props {
  /** Parameter of the page: a filter of `GET /exchanges`. */
  name: string
  value: string | undefined
  /** Text instead of the value. */
  text?: string
}

/** A value that, when it is followed, filters the list of exchanges by it. */
export function FilterLink({ name, value, text }: Props) {
  if (value === undefined || value === '') return <>–</>
  return (
    <a class="code" href={hrefOf('exchanges', { ...Object.fromEntries(query.value), [name]: value })}>
      {text ?? value}
    </a>
  )
}
