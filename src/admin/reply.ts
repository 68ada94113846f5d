// What a view gives back: a value that the server writes. Problems are RFC 9457 bodies.

/** One answer of the admin listener, whole. */
export interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A JSON answer, indented: people read it with curl. */
export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, contentType: 'application/json', body: `${JSON.stringify(value, undefined, 2)}\n`, headers };
}

/** What went wrong, for people and machines (RFC 9457). */
export function problem(
  status: number,
  title: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  const body = `${JSON.stringify({ type: 'about:blank', title, status, detail })}\n`;
  return { status, contentType: 'application/problem+json', body, headers };
}
