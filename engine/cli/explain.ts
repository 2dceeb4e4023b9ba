/** `segment explain`: why a subject is in a segment or not, and what changes when, as of an instant. */
import type { Explanation } from '../../topologies/segments/explain.ts';
import { type ProfileOptions, withProfile } from './kept-profile.ts';
import { instant, print, printJson } from './output.ts';

export async function explain(
  subject: string,
  segment: string,
  options: ProfileOptions,
): Promise<void> {
  await withProfile(subject, options, ({ profile, logic, at }) => {
    const why = logic.explain(subject, profile, segment, at);
    if (options.json === true) return printJson({ subject, segment, at, ...why });
    print(`${subject} is ${why.holds ? 'in' : 'not in'} ${segment} at ${instant(at)}`);
    print(linesOf(why, 1).join('\n'));
    if (why.witnesses !== undefined) {
      print(`without ${why.witnesses.join(', ')} it would be the other way`);
    }
  });
}

function linesOf({ condition, holds, changesAt, parts }: Explanation, depth: number): string[] {
  const change = changesAt === undefined ? '' : `, may change at ${instant(changesAt)}`;
  const own = `${'  '.repeat(depth)}${holds ? 'yes' : 'no '}  ${condition}${change}`;
  return [own, ...parts.flatMap((part) => linesOf(part, depth + 1))];
}
