/** Mappings say how rows of a log become events. They are JSON files; see docs/MAPPINGS.md. */
import type { Identifier } from '../event.ts';
import type { ClassSpec } from './classes.ts';
import type { DecimalForm } from './decimal.ts';
import type { TextTest } from './pattern.ts';
import { columnsOf, type FieldSpec, fieldsOf } from './row-fields.ts';
import type { TimeSpec } from './row-times.ts';
import type { Unpacking } from './unpack.ts';

export type { ClassName, ClassRule, ClassSpec } from './classes.ts';
export type { FieldSpec } from './row-fields.ts';
export type { TimeSpec } from './row-times.ts';

/** Rows to skip: all given tests must hold. */
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
  /** Only for events of these classes; default: all. */
  readonly classes?: readonly string[];
}

export interface IdentitySpec {
  readonly kind: Identifier['kind'];
  readonly field: FieldSpec;
  /** Only for events of these classes; default: all. */
  readonly classes?: readonly string[];
}

export const subjectForms = ['text', 'email', 'number'] as const;

export interface Mapping extends Unpacking {
  readonly name: string;
  readonly format: 'csv' | 'jsonl' | 'json';
  /**
   * Separator of the columns of a CSV file: a character, or 'blanks' for one or more blanks;
   * default a comma.
   */
  readonly separator?: string;
  /** Columns of a CSV file without a header. */
  readonly columns?: readonly string[];
  readonly subject: FieldSpec;
  /**
   * 'email' takes the address out of `Ann <Ann@Shop.example>`, in lower case. 'number' reads
   * 17850.0 as 17850.
   */
  readonly subjectForm?: (typeof subjectForms)[number];
  /** A list: the first whose field is present. */
  readonly time: TimeSpec | readonly TimeSpec[];
  /**
   * When the source received the event; an event that is later than this by more than `maxSkewMs`
   * is refused.
   */
  readonly received?: TimeSpec & { readonly maxSkewMs?: number };
  /**
   * Fields that together identify an event; when one is missing, no other row is the same event.
   */
  readonly id?: readonly FieldSpec[];
  readonly class: ClassSpec;
  /** What counts at most once an hour. */
  readonly item?: FieldSpec;
  /** The link of a click. */
  readonly link?: FieldSpec;
  readonly evidence?: EvidenceSpec;
  readonly currency?: FieldSpec;
  /** For consents: the purpose, and the end. */
  readonly purpose?: FieldSpec;
  readonly until?: TimeSpec | readonly TimeSpec[];
  readonly skip?: readonly SkipRule[];
  /** 'time': the rows are not ordered by time, so the file is sorted before it is taken in. */
  readonly order?: 'file' | 'time';
  /** Field by trait. */
  readonly traits?: Readonly<Record<string, FieldSpec>>;
  /**
   * Field by number, and how many decimals are kept as a whole number: with 2, 12.5 becomes 1250.
   */
  readonly numbers?: Readonly<Record<string, NumberSpec>>;
  /** Other identifiers of the same person; they join into one subject. */
  readonly identities?: readonly IdentitySpec[];
  /** Configuration for the events, when the command is given no other. */
  readonly configuration?: unknown;
  /** A note for readers of the file. */
  readonly note?: string | readonly string[];
}

/**
 * The columns that a table must have; one of each list is enough. Rows of nested JSON differ in
 * their fields.
 */
export function neededFields(mapping: Mapping): readonly (readonly string[])[] {
  const needed = fieldSpecs(mapping)
    .flatMap(columnsOf)
    .filter((columns) => columns.length > 0);
  return [...new Map(needed.map((columns) => [columns.join('\n'), columns])).values()];
}

/** Every field that is looked at, also where another one or a constant would do. */
export function readFields(mapping: Mapping): readonly string[] {
  return [...new Set(fieldSpecs(mapping).flatMap(fieldsOf))].sort();
}

function fieldSpecs(mapping: Mapping): readonly (FieldSpec | undefined)[] {
  const { subject, time, received, id = [], item, link, currency, purpose, until } = mapping;
  const { skip = [], evidence = {}, traits = {}, numbers = {}, identities = [] } = mapping;
  const rules = 'rules' in mapping.class ? mapping.class.rules : [];
  const times = [time].flat().map(({ field }) => field);
  const untils = until === undefined ? [] : [until].flat().map(({ field }) => field);
  return [
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
}
