/** The effect of a change of the segments: before and after, and the people who would move. */
import type { WhatIf as WhatIfAnswer } from '../../topologies/what-if.ts';
import { count, plural } from '../lib/format.ts';
import { Empty, Pill, Scroll } from '../lib/parts.tsx';
import { linkTo } from '../lib/place.ts';

export interface WhatIf extends WhatIfAnswer {
  readonly sample?: { readonly subjects: number; readonly of: number };
}

const peopleShown = 12;

export function Outcome({ value }: { readonly value: WhatIf }) {
  const moved = value.segments.filter(
    ({ enter, leave, changed }) => changed || enter.length + leave.length > 0,
  );
  return (
    <>
      <p class="muted">
        {value.sample === undefined
          ? `Of all ${plural(value.scores.subjects, 'person', 'people')}.`
          : `Of ${count(value.sample.subjects)} people, drawn from ${count(value.sample.of)}.`}
      </p>
      {moved.length === 0 ? (
        <Empty title="Nobody would move">All segments would have the same members.</Empty>
      ) : (
        <Scroll label="Segments before and after">
          <table>
            <thead>
              <tr>
                <th>Segment</th>
                <th class="number">Before</th>
                <th class="number">After</th>
                <th>Would enter</th>
                <th>Would leave</th>
              </tr>
            </thead>
            <tbody>
              {moved.map((one) => (
                <tr key={one.id}>
                  <td>
                    <b>{one.id}</b>
                    {one.before === undefined && <Pill tone="accent">new</Pill>}
                    {one.after === undefined && <Pill tone="bad">gone</Pill>}
                  </td>
                  <td class="number">
                    {one.before === undefined ? '–' : count(one.before.members)}
                  </td>
                  <td class="number">{one.after === undefined ? '–' : count(one.after.members)}</td>
                  <td>
                    <Movers names={one.enter} sign="+" tone="entered" />
                  </td>
                  <td>
                    <Movers names={one.leave} sign="−" tone="left" />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </>
  );
}

function Movers({
  names,
  sign,
  tone,
}: {
  readonly names: readonly string[];
  readonly sign: string;
  readonly tone: string;
}) {
  if (names.length === 0) return <span class="muted">nobody</span>;
  return (
    <details>
      <summary>
        <span class={tone}>
          {sign}
          {count(names.length)}
        </span>
      </summary>
      {names.slice(0, peopleShown).map((name) => (
        <a key={name} class="mover" href={linkTo('people', name)}>
          {name}
        </a>
      ))}
      {names.length > peopleShown && (
        <span class="muted">and {count(names.length - peopleShown)} more</span>
      )}
    </details>
  );
}
