/** `explain`: why a subject is in a segment or not, and what changes when, as of an instant. */
import { instantReader } from '../../topologies/ingest/instant.ts';
import { type PersonalisationConfig, profileLogic } from '../../topologies/personalisation.ts';
import type { Profile } from '../../topologies/profile.ts';
import type { Explanation } from '../../topologies/segments/explain.ts';
import { keyIdOf } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';
import { utf8 } from '../serde/utf8.ts';
import { environment, readApplication } from './environment.ts';
import { execute } from './execution.ts';
import { instant, print, printJson } from './output.ts';
import { personalisationModule } from './start.ts';

export interface ExplainOptions {
  readonly data: string;
  /** ISO 8601; default: the subject's clock, i.e. its newest event or timer. */
  readonly at?: string;
  readonly json?: boolean;
}

export async function explain(
  subject: string,
  segment: string,
  options: ExplainOptions,
): Promise<void> {
  const env = environment(options.data);
  const { application, topology: reference } = await readApplication(env);
  if (reference.module !== personalisationModule) {
    const problem = `${env.directory} holds another application; explain is for what \`start\` ran`;
    throw new MillraceError('USAGE', { problem });
  }
  const execution = await execute({ env, reference, application, threads: 0 });
  try {
    const keyId = keyIdOf(utf8.encode(subject));
    const [row] = await execution.runtime.query('profiles', keyId);
    if (row === undefined) {
      throw new MillraceError('USAGE', { problem: `no event of subject ${subject} is known` });
    }
    const clock = row.timestamp ?? 0;
    const profile = row.value as Profile;
    const settled = profile.segments.history.from;
    const at = options.at === undefined ? clock : instantOf(options.at, settled);
    const logic = profileLogic((reference.params ?? {}) as PersonalisationConfig);
    const why = logic.explain(subject, profile, segment, at);
    if (options.json === true) return printJson({ subject, segment, at, ...why });
    print(`${subject} is ${why.holds ? 'in' : 'not in'} ${segment} at ${instant(at)}`);
    print(linesOf(why, 1).join('\n'));
    if (why.witnesses !== undefined) {
      print(`without ${why.witnesses.join(', ')} it would be the other way`);
    }
  } finally {
    await execution.close();
  }
}

function instantOf(text: string, from: number): number {
  const at = instantReader('iso', 'UTC')(text);
  if (typeof at === 'string') {
    throw new MillraceError('CONFIG_INVALID', { field: '--at', problem: `${text} ${at}` });
  }
  if (at >= from) return at;
  const problem = `what was before ${instant(from)} is settled, and stands in segment-changes`;
  throw new MillraceError('CONFIG_INVALID', { field: '--at', problem });
}

function linesOf({ condition, holds, changesAt, parts }: Explanation, depth: number): string[] {
  const change = changesAt === undefined ? '' : `, may change at ${instant(changesAt)}`;
  const own = `${'  '.repeat(depth)}${holds ? 'yes' : 'no '}  ${condition}${change}`;
  return [own, ...parts.flatMap((part) => linesOf(part, depth + 1))];
}
