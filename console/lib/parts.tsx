/** Small parts that several views use. */
import type { ComponentChildren } from 'preact';
import type { AskError } from './api.ts';

export function Card({
  title,
  aside,
  children,
  class: name = '',
}: {
  readonly title?: ComponentChildren;
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
  readonly class?: string;
}) {
  return (
    <section class={`card ${name}`}>
      {title !== undefined && (
        <header class="card-head">
          <h2>{title}</h2>
          {aside !== undefined && <div class="card-aside">{aside}</div>}
        </header>
      )}
      {children}
    </section>
  );
}

export function Figure({
  label,
  value,
  note,
  tone = '',
}: {
  readonly label: string;
  readonly value: ComponentChildren;
  readonly note?: ComponentChildren;
  readonly tone?: 'good' | 'warn' | 'bad' | '';
}) {
  return (
    <div class={`figure ${tone}`}>
      <dt>{label}</dt>
      <dd class="figure-value">{value}</dd>
      {note !== undefined && <dd class="figure-note">{note}</dd>}
    </div>
  );
}

export function Loading({ what }: { readonly what: string }) {
  return (
    <div class="state" role="status">
      <span class="spinner" aria-hidden="true" />
      {what}
    </div>
  );
}

export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="state empty">
      <strong>{title}</strong>
      {children !== undefined && <div>{children}</div>}
    </div>
  );
}

export function Problem({
  error,
  again,
}: {
  readonly error: AskError;
  readonly again?: () => void;
}) {
  const title =
    error.status === 403 ? 'Your account may not see this.' : error.message || 'This failed.';
  return (
    <div class="state problem" role="alert">
      <strong>{title}</strong>
      {error.remedy !== undefined && <div>{error.remedy}</div>}
      {again !== undefined && (
        <button type="button" class="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Loads the next page; nothing when `more` is absent. */
export function Older({
  more,
  isLoading,
}: {
  readonly more: (() => void) | undefined;
  readonly isLoading: boolean;
}) {
  if (more === undefined) return null;
  return (
    <button type="button" class="button" onClick={more} disabled={isLoading}>
      Show older ones
    </button>
  );
}

export function Pill({
  tone = '',
  children,
}: {
  readonly tone?: 'good' | 'warn' | 'bad' | 'accent' | '';
  readonly children: ComponentChildren;
}) {
  return <span class={`pill ${tone}`}>{children}</span>;
}

/** Makes a wide table scroll on a narrow screen; the keyboard can scroll it too. */
export function Scroll({
  label,
  children,
}: {
  readonly label: string;
  readonly children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard.
    <section class="scroll" tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}
