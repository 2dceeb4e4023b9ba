/** The JSON Schema of the segments of a configuration, from the tables that also read them. */

import { categoriesSchema } from './categories.ts';
import { segmentFields } from './check-segments.ts';
import { objectSchema } from './definition-fields.ts';
import { nodeKinds } from './node-kinds.ts';

export function segmentsSchema(): object {
  const kinds = Object.entries(nodeKinds).map(([name, { means, schema }]) => ({
    type: 'object',
    description: means,
    properties: { [name]: schema },
    required: [name],
    additionalProperties: false,
  }));
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Segments of Millrace',
    type: 'object',
    properties: {
      segments: { type: 'array', items: { $ref: '#/$defs/segment' } },
      categories: categoriesSchema,
    },
    required: ['segments'],
    $defs: { segment: objectSchema(segmentFields), expression: { oneOf: kinds } },
  };
}
