// Markdown tables, columns of numbers to the right.

/** @param {string[]} head @param {(string | number)[][]} rows */
export function table(head, rows) {
  const cells = [head, ...rows].map((row) => row.map((cell) => String(cell).replaceAll('|', '\\|')));
  const widths = head.map((_, i) => Math.max(3, ...cells.map((row) => row[i].length)));
  const isNumeric = head.map(
    (_, i) => i > 0 && rows.every((row) => typeof row[i] === 'number' || /^[\d≤–]/.test(row[i])),
  );
  const line = (/** @type {string[]} */ row) =>
    `| ${row.map((cell, i) => (isNumeric[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (isNumeric[i] ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))).join(' | ')} |`;
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n');
}
