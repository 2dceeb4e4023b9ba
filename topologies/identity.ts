/**
 * Identity: joins the identifiers of one person into one subject. An event that names several
 * identifiers joins them; the subject goes on under the smallest of them, in an order in which user
 * ids come before e-mail addresses, and these before anonymous ids. The result does not depend on
 * the order of the events.
 *
 * The graph is kept in state by identifier: each knows its parent, which is always smaller, so
 * there are no circles. Links walk up to the roots as messages of a topic:
 *
 *     link a-b ─▶ a ─▶ root of a ─▶ find ─▶ b ─▶ root of b: the greater root goes under the smaller one
 *
 * When two roots join, the event `subject_merged` is written for the one that goes under, and
 * scores and segments follow (topologies/subject/lifecycle.ts). Only `subject_split` undoes a join.
 */
import { json, type ProcessContext, type Stream, topic } from 'millrace';
import { type Event, events, type Identifier } from './event.ts';
import { mergedClass, splitClass } from './subject/subject-classes.ts';

/** In order of precedence. */
export const identityKinds = ['user', 'email', 'anonymous'] as const;

/** An identifier and its place in the order when it was first seen, which never changes. */
interface Ranked {
  readonly id: string;
  readonly rank: number;
}

export type IdentityMessage =
  /**
   * `own` and `other` are one person; the message goes up from the key. `end`: the event named the
   * key.
   */
  | {
      readonly type: 'link';
      readonly rank: number;
      readonly other: Ranked;
      readonly end: boolean;
      readonly otherEnd: boolean;
    }
  /** Looks for the root of the other side, on behalf of `root`. */
  | {
      readonly type: 'find';
      readonly rank: number;
      readonly root: Ranked;
      readonly end: boolean;
    }
  /** The key goes under `parent`, unless it went under another one meanwhile. */
  | { readonly type: 'join'; readonly rank: number; readonly parent: Ranked }
  | { readonly type: 'split'; readonly rank: number };

/** What is kept of an identifier. */
export interface IdentityNode {
  readonly rank: number;
  /** The identifier that it goes on under; undefined for a root. */
  readonly parent?: Ranked;
  /** When it was split off, ms UTC: links up to that time no longer count. */
  readonly splitAt?: number;
}

/** Keyed by identifier; the timestamp is that of the event that names both. */
export const identityLinks = topic<string, IdentityMessage>('identity-links', {
  value: json(),
});

type Context = Pick<
  ProcessContext<string, IdentityNode, never>,
  'key' | 'state' | 'emitTo' | 'drop'
>;

/** Adds to a topology the part that joins the subjects of `of`, the stream of `events`. */
export function addIdentity(
  of: Stream<string, Event>,
  links: Stream<string, IdentityMessage>,
): void {
  of.flatMap((event, subject) => messagesOf(event, subject)).to(identityLinks);
  links.process<IdentityNode>('identity', {
    state: json<IdentityNode>(),
    topics: [identityLinks, events],
    record: (context, message, timestamp) => onMessage(context, message, timestamp),
  });
}

/** The links that an event states; an event that was passed on has stated them before. */
export function messagesOf(event: Event, subject: string): IdentityMessage[] {
  const { class: eventClass, identities, via } = event;
  if (eventClass === splitClass) return [{ type: 'split', rank: 0 }];
  if (identities === undefined || via !== undefined) return [];
  const own = identities.find(({ id }) => id === subject);
  const rank = own === undefined ? 0 : rankOf(own);
  return identities
    .filter(({ id }) => id !== subject)
    .map((other) => ({
      type: 'link',
      rank,
      other: { id: other.id, rank: rankOf(other) },
      end: true,
      otherEnd: true,
    }));
}

function rankOf({ kind }: Identifier): number {
  return identityKinds.indexOf(kind);
}

/** Whether the joined subject goes on under `a`. */
function precedes(a: Ranked, b: Ranked): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.id < b.id);
}

function onMessage(context: Context, message: IdentityMessage, at: number): void {
  if (context.state === undefined && message.type === 'split') {
    context.drop('invalid');
    return;
  }
  const node = context.state ?? { rank: message.rank };
  context.state = node;
  const isEnd = 'end' in message && message.end;
  if (isEnd && node.splitAt !== undefined && at <= node.splitAt) {
    context.drop('expired');
    return;
  }
  if (message.type === 'link') onLink(context, node, message, at);
  else if (message.type === 'find') onFind(context, node, message, at);
  else if (message.type === 'join') onJoin(context, node, message.parent, at);
  else onSplit(context, node, at);
}

type Of<T extends IdentityMessage['type']> = Extract<IdentityMessage, { type: T }>;

function onLink(context: Context, { rank, parent }: IdentityNode, link: Of<'link'>, at: number) {
  const { other, otherEnd } = link;
  if (parent !== undefined) {
    send(context, parent.id, { ...link, rank: parent.rank, end: false }, at);
    return;
  }
  const root = { id: context.key, rank };
  if (other.id === root.id) return;
  send(context, other.id, { type: 'find', rank: other.rank, root, end: otherEnd }, at);
}

function onFind(context: Context, node: IdentityNode, find: Of<'find'>, at: number): void {
  const { root } = find;
  if (node.parent !== undefined) {
    send(context, node.parent.id, { ...find, rank: node.parent.rank, end: false }, at);
    return;
  }
  const own = { id: context.key, rank: node.rank };
  if (root.id === own.id) return;
  if (precedes(own, root)) {
    send(context, root.id, { type: 'join', rank: root.rank, parent: own }, at);
  } else goUnder(context, node, root, at);
}

function onJoin(context: Context, node: IdentityNode, parent: Ranked, at: number): void {
  const before = node.parent;
  if (before === undefined) {
    goUnder(context, node, parent, at);
    return;
  }
  // It went under another one since the question: these two are one person, too.
  if (before.id === parent.id) return;
  const link = { type: 'link', rank: before.rank, other: parent } as const;
  send(context, before.id, { ...link, end: false, otherEnd: false }, at);
}

function goUnder(context: Context, node: IdentityNode, parent: Ranked, at: number): void {
  context.state = { ...node, parent };
  const id = `identity ${context.key} ${parent.id} ${at}`;
  context.emitTo(events, context.key, { id, class: mergedClass, item: parent.id }, at);
}

/** A root cannot be split off; the others can. */
function onSplit(context: Context, node: IdentityNode, at: number): void {
  if (node.parent === undefined) {
    context.drop('invalid');
    return;
  }
  const { parent: _, ...rest } = node;
  context.state = { ...rest, splitAt: Math.max(at, node.splitAt ?? at) };
}

function send(context: Context, to: string, message: IdentityMessage, at: number): void {
  context.emitTo(identityLinks, to, message, at);
}
