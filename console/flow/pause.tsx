/** Pause and resume: a button, then a confirmation that says what it does. */
import { useState } from 'preact/hooks';
import { AskError, ask } from '../lib/api.ts';
import type { Paused } from '../lib/live.ts';
import { Problem } from '../lib/parts.tsx';

/** @param topic of the log; undefined: the whole application */
export function PauseButton({
  topic,
  isPaused,
}: {
  readonly topic?: string | undefined;
  readonly isPaused: boolean;
}) {
  const [isAsked, setAsked] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<AskError>();
  const what = topic === undefined ? 'the application' : topic;
  const verb = isPaused ? 'Resume' : 'Pause';
  const send = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await ask(isPaused ? '/v1/resume' : '/v1/pause', {
        body: topic === undefined ? {} : { topic },
      });
      setAsked(false);
    } catch (problem) {
      if (!(problem instanceof AskError)) throw problem;
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  if (!isAsked) {
    return (
      <button type="button" class="button" onClick={() => setAsked(true)}>
        {verb} {what}
      </button>
    );
  }
  return (
    <section class="confirm" aria-label={`${verb} ${what}`}>
      <p>
        {isPaused
          ? 'Every process reads on from where it stopped. Nothing is lost.'
          : 'Every process stops reading until it is resumed, also after a restart. Questions are still answered, and new events are still taken.'}
      </p>
      {error !== undefined && <Problem error={error} />}
      <div class="row">
        <button
          type="button"
          class="button primary"
          disabled={isBusy}
          onClick={() => void send()}
          ref={(button) => button?.focus()}
        >
          {verb} {what} now
        </button>
        <button type="button" class="button" disabled={isBusy} onClick={() => setAsked(false)}>
          Cancel
        </button>
      </div>
    </section>
  );
}

/** What is paused, and for those who may operate the button of the whole application. */
export function PauseBar({
  paused,
  mayOperate,
}: {
  readonly paused: Paused;
  readonly mayOperate: boolean;
}) {
  const parts = [
    ...(paused.all ? ['the application'] : []),
    ...paused.topics.map((topic) => `topic ${topic}`),
    ...paused.partitions.map((partition) => `partition ${partition}`),
    ...paused.sources.map((source) => `source ${source}`),
  ];
  if (parts.length === 0 && !mayOperate) return null;
  return (
    <div class="pause-bar">
      {parts.length > 0 && (
        <p role="status">
          <strong>Paused:</strong> {parts.join(', ')}. What is paused is not read.
        </p>
      )}
      {mayOperate && <PauseButton key={String(paused.all)} isPaused={paused.all} />}
    </div>
  );
}
