import { minutes, timeWindowed, topic, topology, tumbling, utf8, type Windowed } from 'millrace';

export const clicks = topic<string, string>('user-clicks', { value: utf8 });
export const anomalous = topic<Windowed<string>, number>('anomalous-users', {
  key: timeWindowed(utf8, minutes(1)),
});

export default topology('anomalous-users', (t) => {
  t.stream(clicks)
    .keyBy('by-user', (user) => user)
    .window(tumbling({ size: minutes(1), grace: minutes(1) }))
    .count('clicks-a-minute')
    .filter((count) => count >= 3)
    .to(anomalous);
});
