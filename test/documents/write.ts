/** `npm run api-documents`: writes docs/openapi.json and docs/asyncapi.json anew. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { documents, written } from './documents.ts';

for (const [name, made] of Object.entries(documents)) {
  await writeFile(join(import.meta.dirname, '../../docs', name), written(await made()));
}
