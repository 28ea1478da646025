import { useEffect, useState } from 'preact/hooks'
import { ErrorText } from './components/loaded.tsx'
import { Time } from './components/time.tsx'
import { givenName } from './operator-name.ts'
import { Login } from './pages/login.tsx'
import { type Page, pages } from './pages/pages.ts'
import { disconnect, lostAt, useTopic } from './store/live.ts'
import { hrefOf, page } from './store/location.ts'
import { loadSession, logout, session } from './store/session.ts'
import type { Overview } from './types.ts'

/** The login page, or the navigation and one page. */
export function App() {
  const [error, setError] = useState<string>()
  useEffect(() => {
    load()
    function load(): void {
      loadSession().then(
        () => setError(undefined),
        ({ message }) => {
          setError(message)
          setTimeout(load, 3_000)
        }
      )
    }
  }, [])
  if (session.value === undefined)
    return (
      <main>
        {error === undefined ? <p role="status">Loading …</p> : <ErrorText>{error}. Trying again.</ErrorText>}
      </main>
    )
  return session.value.authenticated ? <Shell /> : <Login />
}

function Shell() {
  const { problems } = useTopic<Overview>('overview').data ?? { problems: [] }
  const shown = pages.find(({ path }) => path === (page.value || 'overview'))
  const title = shown?.title ?? 'No such page'
  useEffect(() => {
    document.title = `${problems.length > 0 ? `(${problems.length}) ` : ''}${title} – Sluice`
  }, [problems.length, title])
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to content
      </button>
      <header>
        <strong>Sluice</strong>
        <Navigation shown={shown} problems={problems.length} />
        {session.value?.tokenNeeded && (
          <button type="button" onClick={() => void leave()}>
            Log out {givenName(session.value.name)}
          </button>
        )}
      </header>
      {lostAt.value !== undefined && (
        <p class="error lost" role="alert">
          The connection to the gateway was lost at <Time at={lostAt.value} />. The data below is older.
          Trying again.
        </p>
      )}
      <main id="main" tabIndex={-1}>
        <h1>{title}</h1>
        {shown ? <shown.View /> : <p>Choose a page above.</p>}
      </main>
    </>
  )
}

async function leave(): Promise<void> {
  disconnect()
  await logout().catch(loadSession)
}

function Navigation({ shown, problems }: { shown: Page | undefined; problems: number }) {
  return (
    <nav aria-label="Pages">
      {pages.map(one => (
        <a key={one.path} href={hrefOf(one.path)} aria-current={one === shown ? 'page' : undefined}>
          {one.title}
          {one.path === 'overview' && problems > 0 && (
            <span class="count">
              {problems}
              <span class="hidden"> {problems === 1 ? 'problem' : 'problems'}</span>
            </span>
          )}
        </a>
      ))}
    </nav>
  )
}
