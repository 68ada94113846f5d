// HOT PATH. Text from outside on its way into a JSON line: what comes out is printable ASCII that ends no string and no line.

/** Anything but printable ASCII, and the two characters that mean something inside a JSON string. */
const UNSAFE = /[^ !#-[\]-~]/;
const UNSAFE_EACH = /[^ !#-[\]-~]/g;
const NOT_ASCII_EACH = /[^\n -~]/g;

/**
 * The inside of a JSON string (RFC 8259 §7), without its quotes: `JSON.parse('"' + jsonText(text) + '"') === text`
 * where `text` has at most `maxChars` characters; of a longer one the beginning, with `...` behind it.
 * Everything that is not printable ASCII becomes an escape, so that no line holds a control sequence for a terminal.
 */
export function jsonText(text: string, maxChars: number): string {
  const kept = text.length > maxChars ? `${text.slice(0, maxChars)}...` : text;
  return UNSAFE.test(kept) ? kept.replace(UNSAFE_EACH, escaped) : kept;
}

/** A JSON text that somebody else wrote, with everything but ASCII in it escaped (valid since that stands inside strings only). */
export function asciiJson(json: string): string {
  return json.replace(NOT_ASCII_EACH, unicodeEscape);
}

function escaped(char: string): string {
  if (char === '"') return '\\"';
  if (char === '\\') return '\\\\';
  return unicodeEscape(char);
}

function unicodeEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
