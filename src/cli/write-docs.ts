// `npm run docs`: writes the pages that come from the schema and the help texts. A developer's tool, not part of the command line.
import { writeFileSync } from 'node:fs';
import { jsonSchema, referencePage } from '../config/reference.ts';
import { commandPage } from './reference.ts';

writeFileSync('docs/configuration.md', referencePage());
writeFileSync('docs/pilotfish.schema.json', jsonSchema());
writeFileSync('docs/cli.md', await commandPage());
