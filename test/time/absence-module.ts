/** Tells of each person who has not been seen for three seconds; of some behind a keyBy. */
import { type Stream, type Topic, topic, topology, utf8 } from 'millrace';

export const absenceMs = 3_000;
/** Those who are alone have the second partition to themselves. */
const partitioner = (key: string | null) => (key === 'alone' ? 1 : 0);
const options = { value: utf8, partitions: 2, partitioner } as const;

/** The value is the person, too. */
export const visits = topic<string, string>('visits', options);
export const views = topic<string, string>('views', options);
export const goneDirect = topic<string, string>('gone-direct', { value: utf8, partitions: 1 });
export const goneBehind = topic<string, string>('gone-behind', { value: utf8, partitions: 1 });

const watch = (name: string, seen: Stream<string, string>) =>
  seen.process<number, string>(name, {
    record(context, _, at) {
      context.state = at;
      context.setTimer('gone', at + absenceMs);
    },
    timer(context, _, at) {
      context.emit(String(at));
      context.state = undefined;
    },
  });

type Names = Topic<string, string>;

/** Those of `visits` as they are read, those of `views` behind a keyBy. */
export const absence = (visits: Names, views: Names, direct: Names, behind: Names) =>
  topology('absence', (t) => {
    watch('watch-direct', t.stream(visits)).to(direct);
    watch(
      'watch-behind',
      t.stream(views).keyBy('by-person', (person) => person),
    ).to(behind);
  });

export default absence(visits, views, goneDirect, goneBehind);
