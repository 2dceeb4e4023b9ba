/** Mappings: how the rows of somebody's log become events. Declared in JSON; docs/MAPPINGS.md. */
import type { Identifier } from '../event.ts';
import type { ClassSpec } from './classes.ts';
import type { DecimalForm } from './decimal.ts';
import type { TextTest } from './pattern.ts';
import { columnsOf, type FieldSpec } from './row-fields.ts';
import type { TimeSpec } from './row-times.ts';
import type { Unpacking } from './unpack.ts';

export type { ClassName, ClassRule, ClassSpec } from './classes.ts';
export type { FieldSpec } from './row-fields.ts';
export type { TimeSpec } from './row-times.ts';

/** Rows that are not wanted: all tests that are given must hold. */
export interface SkipRule extends TextTest {
  readonly field: FieldSpec;
}

export interface EvidenceSpec {
  readonly machine?: FieldSpec;
  readonly ip?: FieldSpec;
  readonly agent?: FieldSpec;
  readonly method?: FieldSpec;
  readonly prefetch?: FieldSpec;
  readonly honeypot?: FieldSpec;
  readonly links?: FieldSpec;
}

export interface NumberSpec extends DecimalForm {
  readonly field: FieldSpec;
  /** Read of events of these classes only; default all. */
  readonly classes?: readonly string[];
}

export interface IdentitySpec {
  readonly kind: Identifier['kind'];
  readonly field: FieldSpec;
  /** Read of events of these classes only; default all. */
  readonly classes?: readonly string[];
}

export const subjectForms = ['text', 'email', 'number'] as const;

export interface Mapping extends Unpacking {
  readonly name: string;
  readonly format: 'csv' | 'jsonl' | 'json';
  /**
   * Between the columns of a CSV file: a character, default a comma, or 'blanks': one or more
   * blanks.
   */
  readonly separator?: string;
  /** Columns of a CSV file without a header. */
  readonly columns?: readonly string[];
  readonly subject: FieldSpec;
  /**
   * 'email': of `Ann <Ann@Shop.example>` the address, in small letters. 'number': 17850.0 is 17850.
   */
  readonly subjectForm?: (typeof subjectForms)[number];
  /** Of several the first whose field is there. */
  readonly time: TimeSpec | readonly TimeSpec[];
  /** When the source got to know of it; an event from after that, and `maxSkewMs`, is refused. */
  readonly received?: TimeSpec & { readonly maxSkewMs?: number };
  /**
   * Fields that together identify an event; where one is missing no other row is the same event.
   */
  readonly id?: readonly FieldSpec[];
  readonly class: ClassSpec;
  /** What is counted once an hour. */
  readonly item?: FieldSpec;
  /** The link of a click. */
  readonly link?: FieldSpec;
  readonly evidence?: EvidenceSpec;
  readonly currency?: FieldSpec;
  /** Of consents: what for, and until when. */
  readonly purpose?: FieldSpec;
  readonly until?: TimeSpec | readonly TimeSpec[];
  readonly skip?: readonly SkipRule[];
  /** 'time': the file is not in the order of its times; it is sorted before it enters. */
  readonly order?: 'file' | 'time';
  /** Trait -> field. */
  readonly traits?: Readonly<Record<string, FieldSpec>>;
  /**
   * Number -> field, and how many decimals of it are kept as a whole number: 2 makes 12.5 to 1250.
   */
  readonly numbers?: Readonly<Record<string, NumberSpec>>;
  /** Other names of the same person, which meet in one subject. */
  readonly identities?: readonly IdentitySpec[];
  /** What is done with the events where no other configuration is given. */
  readonly configuration?: unknown;
  /** For the reader. */
  readonly note?: string | readonly string[];
}

/** The columns that a table must have; of a list, one. Nested JSON says by row what it has. */
export function neededFields(mapping: Mapping): readonly (readonly string[])[] {
  const { subject, time, received, id = [], item, link, currency, purpose, until } = mapping;
  const { skip = [], evidence = {}, traits = {}, numbers = {}, identities = [] } = mapping;
  const rules = 'rules' in mapping.class ? mapping.class.rules : [];
  const times = [time].flat().map(({ field }) => field);
  const untils = until === undefined ? [] : [until].flat().map(({ field }) => field);
  const specs: (FieldSpec | undefined)[] = [
    ...[subject, times, received?.field, ...id, item, link, currency, purpose],
    ...(untils.length === 0 ? [] : [untils]),
    ...skip.map((rule) => rule.field),
    'field' in mapping.class ? mapping.class.field : undefined,
    ...rules.flatMap(({ when }) => Object.keys(when)),
    ...(Object.values(evidence) as FieldSpec[]),
    ...Object.values(numbers).map(({ field }) => field),
    ...Object.values(traits),
    ...identities.map(({ field }) => field),
  ];
  const needed = specs.flatMap(columnsOf).filter((columns) => columns.length > 0);
  return [...new Map(needed.map((columns) => [columns.join('\n'), columns])).values()];
}
