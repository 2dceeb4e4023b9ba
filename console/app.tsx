/** The page: sign-in, navigation, and whether the process still answers. */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { DataPage } from './data/data.tsx';
import { FlowView } from './flow/flow.tsx';
import type { Topology } from './flow/graph.ts';
import { ask, keepToken, keptToken } from './lib/api.ts';
import { plural, zone } from './lib/format.ts';
import { type Holding, type Live, useLive } from './lib/live.ts';
import { Loading, Problem } from './lib/parts.tsx';
import { usePlace } from './lib/place.ts';
import { applyTheme, keptTheme, nextTheme } from './lib/theme.ts';
import { useAnswer } from './lib/use-answer.ts';
import { PeopleView } from './people/people.tsx';
import { SegmentsView } from './segments/segments.tsx';
import { SignIn } from './sign-in.tsx';

interface Me {
  readonly name: string;
  readonly roles: readonly string[];
  /** Whether accounts are set, so that the viewer has signed in. */
  readonly closed: boolean;
}

export function App() {
  const [turn, setTurn] = useState(0);
  const [needsSignIn, setNeedsSignIn] = useState(false);
  useEffect(() => {
    const out = () => setNeedsSignIn(true);
    addEventListener('signedout', out);
    return () => removeEventListener('signedout', out);
  }, []);
  if (needsSignIn) {
    return (
      <SignIn
        wasRefused={keptToken() !== undefined}
        signIn={(token) => {
          keepToken(token);
          setNeedsSignIn(false);
          setTurn(turn + 1);
        }}
      />
    );
  }
  return (
    <Console
      key={turn}
      signOut={() => {
        keepToken(undefined);
        setNeedsSignIn(true);
      }}
    />
  );
}

function Console({ signOut }: { readonly signOut: () => void }) {
  const live = useLive('page');
  const [place] = usePlace();
  // A restarted process may run another topology.
  const topology = useAnswer<Topology>(
    (signal) => ask('/console/api/topology', { signal }),
    [live.state === 'live'],
  );
  const me = useAnswer<Me | undefined>(
    (signal) => ask<Me>('/console/api/me', { signal }).catch(() => undefined),
    [],
  );
  const known = topology.value;
  const [view = 'flow'] = place;
  useEffect(() => {
    document.title = `${titles[view] ?? 'Flow'} · ${known?.application ?? 'Millrace'}`;
  }, [view, known]);
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        To the content
      </button>
      <Head {...{ live, view, topology: known, me: me.value, signOut }} />
      {live.state === 'lost' && <Lost isKnown={live.flow !== undefined} />}
      {live.state === 'live' && <OthersGone processes={live.flow?.processes ?? []} />}
      <main id="main" tabIndex={-1}>
        {known === undefined ? (
          topology.error === undefined || topology.error.status === 401 ? (
            <Loading what="Opening the console" />
          ) : (
            <Problem error={topology.error} again={topology.again} />
          )
        ) : (
          <View {...{ view, place, live, topology: known, me: me.value }} />
        )}
      </main>
      <footer class="foot">Times are in your zone, {zone}.</footer>
    </>
  );
}

const titles: Readonly<Record<string, string>> = {
  flow: 'Flow',
  people: 'People',
  segments: 'Segments',
  data: 'Data',
};

function View({
  view,
  place,
  live,
  topology,
  me,
}: {
  readonly view: string;
  readonly place: readonly string[];
  readonly live: Live;
  readonly topology: Topology;
  readonly me: Me | undefined;
}): ComponentChildren {
  if (view === 'people' && topology.hasPeople) return <PeopleView subject={place[1]} />;
  if (view === 'segments' && topology.hasPeople) return <SegmentsView place={place} />;
  const mayOperate = me === undefined || me.roles.includes('operate');
  if (view === 'data') return <DataPage {...{ live, mayOperate }} />;
  return <FlowView {...{ live, topology, mayOperate }} />;
}

function Head({
  live,
  view,
  topology,
  me,
  signOut,
}: {
  readonly live: Live;
  readonly view: string;
  readonly topology: Topology | undefined;
  readonly me: Me | undefined;
  readonly signOut: () => void;
}) {
  const [theme, setTheme] = useState(keptTheme());
  const names =
    topology?.hasPeople === true ? ['flow', 'people', 'segments', 'data'] : ['flow', 'data'];
  const texts = { system: 'as the system', light: 'light', dark: 'dark' };
  return (
    <header class="head">
      <div class="brand">
        <img src="icon.svg" alt="" width="26" height="26" />
        <span>
          Millrace
          {topology !== undefined && <small>{topology.application}</small>}
        </span>
      </div>
      <nav aria-label="Views">
        {names.map((name) => (
          <a key={name} href={`#/${name}`} aria-current={view === name ? 'page' : undefined}>
            {titles[name]}
          </a>
        ))}
      </nav>
      <div class="head-end">
        <Status live={live} />
        <button
          type="button"
          class="button quiet"
          title={`Colours: ${texts[theme]}`}
          aria-label={`Colours: ${texts[theme]}. Change`}
          onClick={() => {
            const next = nextTheme(theme);
            setTheme(next);
            applyTheme(next);
          }}
        >
          {theme === 'light' ? '☀' : theme === 'dark' ? '☾' : '◐'}
        </button>
        {me?.closed === true && (
          <button
            type="button"
            class="button quiet"
            onClick={signOut}
            title={`${me.name}: ${me.roles.join(', ')}`}
          >
            Sign out
          </button>
        )}
      </div>
    </header>
  );
}

const statuses: Readonly<Record<string, readonly ['good' | 'warn' | 'bad', string]>> = {
  starting: ['warn', 'Starting'],
  restoring: ['warn', 'Restoring its state'],
  running: ['good', 'Running'],
  paused: ['warn', 'Paused'],
  recovering: ['warn', 'Recovering'],
  waiting: ['warn', 'Waiting for the log'],
  stopped: ['bad', 'Stopped'],
};

function Status({ live }: { readonly live: Live }) {
  const [tone, text] =
    live.state === 'lost'
      ? (['bad', 'No answer'] as const)
      : live.flow === undefined
        ? (['warn', 'Connecting'] as const)
        : (statuses[live.flow.health.status] ?? (['warn', live.flow.health.status] as const));
  const { flow } = live;
  return (
    <span
      class={`status ${tone}`}
      role="status"
      title={
        flow === undefined
          ? ''
          : `${plural(flow.tasks, 'task')} on ${plural(flow.threads, 'thread')}`
      }
    >
      <i aria-hidden="true" />
      {text}
    </span>
  );
}

/** Other processes that hold tasks and do not answer. */
function OthersGone({ processes }: { readonly processes: readonly Holding[] }) {
  const all = processes.reduce((sum, { tasks }) => sum + tasks.length, 0);
  const gone = processes.filter(({ answers }) => !answers);
  if (gone.length === 0) return null;
  return (
    <div class="lost" role="alert">
      {gone.map(({ address, tasks }) => (
        <p key={address}>
          {address === null ? (
            <strong>
              No process has opened {tasks.length} of {plural(all, 'task')} yet.
            </strong>
          ) : (
            <>
              <strong>The process on {address} does not answer.</strong> It had {tasks.length} of{' '}
              {plural(all, 'task')}. Other processes take them over when its session with the
              brokers ends.
            </>
          )}
        </p>
      ))}
    </div>
  );
}

function Lost({ isKnown }: { readonly isKnown: boolean }) {
  return (
    <div class="lost" role="alert">
      <strong>Millrace does not answer.</strong> The process may have ended or is starting again.
      {isKnown && ' What you see is the last that was known.'} The page goes on by itself when it
      answers again.
    </div>
  );
}
