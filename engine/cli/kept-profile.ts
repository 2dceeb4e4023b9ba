/** The profile of one subject as `start` keeps it, for the questions that are asked of it. */
import { instantReader } from '../../topologies/ingest/instant.ts';
import { type PersonalisationConfig, profileLogic } from '../../topologies/personalisation.ts';
import type { Profile, ProfileLogic } from '../../topologies/profile.ts';
import { keyIdOf } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';
import { utf8 } from '../serde/utf8.ts';
import { environment, readApplication } from './environment.ts';
import { execute } from './execution.ts';
import { instant } from './output.ts';
import { personalisationModule } from './start.ts';

export interface ProfileOptions {
  readonly data: string;
  /** ISO 8601; default: the subject's clock, i.e. its newest event or timer. */
  readonly at?: string;
  readonly json?: boolean;
}

export interface KeptProfile {
  readonly profile: Profile;
  readonly logic: ProfileLogic;
  /** What the options ask for, ms UTC. */
  readonly at: number;
}

/** Throws USAGE where another application ran or the subject is unknown, CONFIG_INVALID for an instant that is settled. */
export async function withProfile<T>(
  subject: string,
  options: ProfileOptions,
  use: (kept: KeptProfile) => T,
): Promise<T> {
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
    const profile = row.value as Profile;
    const settled = profile.segments.history.from;
    const at = options.at === undefined ? (row.timestamp ?? 0) : instantOf(options.at, settled);
    const logic = profileLogic((reference.params ?? {}) as PersonalisationConfig);
    return use({ profile, logic, at });
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
