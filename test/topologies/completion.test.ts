/** What the editor of segments offers at a caret, marked | in the text. */
import { describe, expect, test } from 'vitest';
import { completionAt, type Schema } from '../../console/segments/complete.ts';
import { segmentsSchema } from '../../topologies/segments/segment-schema.ts';

const known = {
  schema: segmentsSchema() as Schema,
  events: ['purchase', 'page_view'],
  traits: ['plan'],
  purposes: ['marketing'],
  bands: ['hot', 'cold'],
  channels: ['email'],
  segments: ['buyers'],
};

function offered(marked: string): readonly string[] {
  const caret = marked.indexOf('|');
  return completionAt(marked.replace('|', ''), caret, known).options.map(({ label }) => label);
}

/** The text with the first offer taken, and where the caret is then. */
function taken(marked: string): string {
  const text = marked.replace('|', '');
  const { from, to, options } = completionAt(text, marked.indexOf('|'), known);
  const [first] = options;
  if (first === undefined) throw new Error('nothing is offered');
  const { insert, caret } = first;
  return `${text.slice(0, from)}${insert.slice(0, caret)}|${insert.slice(caret)}${text.slice(to)}`;
}

const when = (inner: string) => `[{ "id": "a", "version": 1, "when": ${inner} }]`;

describe('completion of segments', () => {
  test('fields of a segment, without those that are there', () => {
    const names = offered('[{ "id": "a", | }]');
    expect(names).toContain('version');
    expect(names).toContain('when');
    expect(names).not.toContain('id');
    expect(offered('[{ "id": "a", "ve|" }]')).toEqual(['version']);
    expect(taken('[{ "id": "a", "ve|" }]')).toBe('[{ "id": "a", "version": | }]');
    expect(taken('[{ "id": "a", "whe| }]')).toBe('[{ "id": "a", "when": { | } }]');
  });

  test('kinds of conditions, each with its own fields', () => {
    expect(offered(when('{ "cou| }'))).toEqual(['count']);
    const fields = offered(when('{ "count": { "event": "purchase", | } }'));
    expect(fields).toEqual(expect.arrayContaining(['op', 'n', 'within', 'where']));
    expect(fields).not.toContain('event');
    expect(offered(when('{ "count": {}, | }')), 'one form has been chosen').toEqual([]);
  });

  test('operators, spans, events and names of the data', () => {
    expect(offered(when('{ "count": { "op": "g|" } }'))).toEqual(['gt', 'ge']);
    expect(offered(when('{ "count": { "within": | } }'))).toEqual(
      expect.arrayContaining(['7d', 'ever']),
    );
    expect(offered(when('{ "count": { "event": "p|" } }'))).toEqual(['purchase', 'page_view']);
    expect(offered(when('{ "count": { "event": ["purchase", "|"] } }'))).toContain('page_view');
    expect(offered(when('{ "trait": { "path": "|" } }'))).toEqual(['plan']);
    expect(offered(when('{ "band": { "in": ["|"] } }'))).toEqual(['hot', 'cold']);
    expect(offered(when('{ "consent": { "purpose": "|" } }'))).toEqual(['marketing']);
    expect(offered(when('{ "consent": { "is": t| } }'))).toEqual(['true']);
  });

  test('within conditions of conditions', () => {
    expect(offered(when('{ "and": [{ "not": { "score": { "op": "l|" } } }] }'))).toEqual([
      'lt',
      'le',
    ]);
    expect(offered(when('{ "and": [{ "| }] }'))).toContain('score');
  });

  test('a text that is closed is replaced with its quote', () => {
    expect(taken(when('{ "count": { "op": "eq|" } }'))).toBe(when('{ "count": { "op": "eq"| } }'));
  });

  test('what is no JSON offers nothing, and breaks nothing', () => {
    for (const text of ['', '|', ']]}|', '"|', '[{ "a\\|', '{{{[["x":|']) {
      expect(Array.isArray(offered(text.includes('|') ? text : `${text}|`)), text).toBe(true);
    }
  });
});
