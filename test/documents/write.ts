/** `npm run api-documents`: writes the documents in docs/ that are made of what is there. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { documents, written } from './documents.ts';

for (const [name, made] of Object.entries(documents)) {
  await writeFile(join(import.meta.dirname, '../../docs', name), written(await made()));
}
