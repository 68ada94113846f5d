// How a page says what it was written by.
import { basename } from 'node:path';

/** The command line, files by their names: where they lie says nothing elsewhere. @param {string} script @param {string[]} argv */
export function commandText(script, argv) {
  return [`npm run ${script}`, ...(argv.length > 0 ? ['--'] : []), ...argv.map((one) => basename(one))].join(' ');
}
