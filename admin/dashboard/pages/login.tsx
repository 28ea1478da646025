import { useState } from 'preact/hooks'
import { ErrorText } from '../components/loaded.tsx'
import { ApiError } from '../store/api.ts'
import { hasExpired, login, session } from '../store/session.ts'

/** Asks for the admin token. The gateway keeps the session in an HttpOnly cookie. */
export function Login() {
  const [error, setError] = useState<string>()
  const [isBusy, setBusy] = useState(false)

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    setBusy(true)
    try {
      await login(String(form.get('token')).trim(), String(form.get('name')).trim())
    } catch (error) {
      setError(
        error instanceof ApiError && error.status === 401
          ? 'This is not the admin token'
          : (error as Error).message
      )
      setBusy(false)
    }
  }

  if (!session.value?.tokenNeeded)
    return (
      <main class="login">
        <h1>Sluice</h1>
        <p>
          This gateway has no admin token, so the dashboard is only available on its own machine, at{' '}
          <code>127.0.0.1</code> or <code>localhost</code>. Set <code>admin.token</code> to use it from
          elsewhere.
        </p>
      </main>
    )
  return (
    <main class="login">
      <h1>Sluice</h1>
      {hasExpired.value && error === undefined && <p role="status">The session has expired. Log in again.</p>}
      <form onSubmit={submit}>
        <label>
          Admin token
          <input name="token" type="password" autocomplete="current-password" required />
        </label>
        <label>
          Your name, for the log of actions (optional)
          <input name="name" autocomplete="username" maxLength={64} />
        </label>
        {error !== undefined && <ErrorText>{error}</ErrorText>}
        <button type="submit" disabled={isBusy}>
          Log in
        </button>
      </form>
    </main>
  )
}
