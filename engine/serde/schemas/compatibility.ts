/**
 * Decides whether a schema may replace another: values must stay readable, in one direction or
 * both.
 */
import type { Enum, Type as Message, Root } from 'protobufjs';
import { messageOf } from '../../base/errors.ts';
import { avroType } from './avro.ts';
import { jsonProblems } from './json-compatibility.ts';
import { messagesOf, protobufRoot } from './protobuf.ts';
import type { SchemaType } from './registry.ts';

export const levels = [
  'backward',
  'backward-transitive',
  'forward',
  'forward-transitive',
  'full',
  'full-transitive',
] as const;
/**
 * backward: the new one reads what the old one wrote; forward: the other way; full: both. The old
 * one is the latest schema; for a transitive level, every earlier one.
 */
export type CompatibilityLevel = (typeof levels)[number];

export function isTransitive(level: CompatibilityLevel): boolean {
  return level.endsWith('-transitive');
}

/**
 * Descriptions of the breaks; empty if compatible.
 * @param before the old one, or all of them, oldest first
 * @param nameOf how one of several is called in a problem, by its place
 * @throws CONFIG_INVALID for an invalid schema
 */
export function incompatibilities(
  type: SchemaType,
  before: string | readonly string[],
  after: string,
  level: CompatibilityLevel,
  nameOf = (place: number) => `version ${place + 1}`,
): string[] {
  const all = [before].flat();
  if (!isTransitive(level)) return pairProblems(type, all.at(-1) ?? after, after, level);
  return all.flatMap((one, i) => {
    const told = pairProblems(type, one, after, level);
    return all.length === 1 ? told : told.map((problem) => `${nameOf(i)}: ${problem}`);
  });
}

function pairProblems(
  type: SchemaType,
  before: string,
  after: string,
  level: CompatibilityLevel,
): string[] {
  const problems: string[] = [];
  if (!level.startsWith('forward')) {
    const told = readingProblems(type, after, before);
    problems.push(...told.map((one) => `backward: the new schema cannot read the old: ${one}`));
  }
  if (!level.startsWith('backward')) {
    const told = readingProblems(type, before, after);
    problems.push(...told.map((one) => `forward: the old schema cannot read the new: ${one}`));
  }
  return problems;
}

function readingProblems(type: SchemaType, reader: string, writer: string): string[] {
  if (type === 'JSON') return jsonProblems(JSON.parse(reader), JSON.parse(writer));
  if (type === 'PROTOBUF') return protobufProblems(protobufRoot(reader), protobufRoot(writer));
  const [read, written] = [avroType(reader), avroType(writer)];
  try {
    read.createResolver(written);
    return [];
  } catch (error) {
    return [messageOf(error).replaceAll(/\s+/g, ' ')];
  }
}

/** Protobuf types with the same encoding, so that one can be read as the other. */
const wireOf: Readonly<Record<string, string>> = {
  int32: 'varint',
  uint32: 'varint',
  int64: 'varint',
  uint64: 'varint',
  bool: 'varint',
  sint32: 'zigzag',
  sint64: 'zigzag',
  fixed32: 'four bytes',
  sfixed32: 'four bytes',
  fixed64: 'eight bytes',
  sfixed64: 'eight bytes',
  float: 'float',
  double: 'double',
  string: 'text',
  bytes: 'bytes',
};

function protobufProblems(reader: Root, writer: Root): string[] {
  const problems: string[] = [];
  const written = new Map(messagesOf(writer).map(({ type }) => [type.fullName, type]));
  const names = new Set(messagesOf(reader).map(({ type }) => type.fullName));
  for (const name of written.keys()) {
    if (!names.has(name)) problems.push(`message ${name.slice(1)} is gone`);
  }
  for (const { type } of messagesOf(reader)) {
    const other = written.get(type.fullName);
    if (other !== undefined) problems.push(...messageProblems(type, other));
  }
  return problems;
}

function messageProblems(reader: Message, writer: Message): string[] {
  const problems: string[] = [];
  const name = reader.fullName.slice(1);
  const byNumber = new Map(writer.fieldsArray.map((field) => [field.id, field]));
  for (const field of reader.fieldsArray) {
    const other = byNumber.get(field.id);
    const at = `${name}.${field.name} (${field.id})`;
    if (other === undefined) {
      if (field.required) problems.push(`${at} is required, and was not written`);
      continue;
    }
    const kinds = [kindOf(field.resolve()), kindOf(other.resolve())] as const;
    if (kinds[0] !== kinds[1]) problems.push(`${at} was ${kinds[1]}, is ${kinds[0]}`);
    if (field.repeated !== other.repeated) {
      problems.push(`${at} is ${field.repeated ? '' : 'not '}repeated any more, as it was before`);
    }
    if (field.map !== other.map) problems.push(`${at} was a map on one side only`);
  }
  return problems;
}

interface FieldKind {
  readonly type: string;
  readonly resolvedType: Message | Enum | null;
}

function kindOf({ type, resolvedType }: FieldKind): string {
  if (resolvedType === null) return wireOf[type] ?? type;
  // An enumeration is encoded as a number.
  return 'values' in resolvedType ? 'varint' : `message ${resolvedType.fullName.slice(1)}`;
}
