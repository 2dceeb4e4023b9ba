/**
 * Asks the viewer for a key or a token when accounts are set. It is kept until the window is
 * closed.
 */
import { useState } from 'preact/hooks';

export function SignIn({
  wasRefused,
  signIn,
}: {
  readonly wasRefused: boolean;
  readonly signIn: (token: string) => void;
}) {
  const [token, setToken] = useState('');
  return (
    <main class="sign-in">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          if (token.trim() !== '') signIn(token.trim());
        }}
      >
        <img src="icon.svg" alt="" width="40" height="40" />
        <h1>Sign in to Millrace</h1>
        <p>
          Accounts are set for this system. Give a key whose role is <b>read</b>, <b>operate</b> or{' '}
          <b>admin</b>, or an access token of your identity provider.
        </p>
        <label for="token">Key or token</label>
        <input
          id="token"
          type="password"
          autocomplete="off"
          spellcheck={false}
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
        />
        {wasRefused && (
          <p role="alert" class="bad-text">
            This key or token is not accepted.
          </p>
        )}
        <button type="submit" class="button primary" disabled={token.trim() === ''}>
          Sign in
        </button>
        <p class="muted">It stays in this window only, and is gone when you close it.</p>
      </form>
    </main>
  );
}
