// How a page says what it was written by.
import { basename } from 'node:path';

/** The command line, files by their names, also in lists: where they lie says nothing elsewhere. @param {string} script @param {string[]} argv */
export function commandText(script, argv) {
  const words = argv.map((word) =>
    word
      .split(/([,=])/)
      .map((part) => basename(part))
      .join(''),
  );
  return [`npm run ${script}`, ...(words.length > 0 ? ['--'] : []), ...words].join(' ');
}
