import { minutes, session, sessionWindowed, topic, topology, utf8, type Windowed } from 'millrace';

export const plays = topic<string, { readonly song: string }>('play-events');
export const perSession = topic<Windowed<string>, number>('play-events-per-session', {
  key: sessionWindowed(utf8),
});

export default topology('play-sessions', (t) => {
  t.stream(plays)
    .window(session({ gap: minutes(30), grace: minutes(30) }))
    .count('plays-per-session')
    .to(perSession);
});
