// HOT PATH. Which methods may be executed twice.

/** RFC 9110 §9.2.2. TRACE, which is one of them too, is never passed on. */
export function isIdempotent(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'OPTIONS':
    case 'PUT':
    case 'DELETE':
      return true;
    default:
      return false;
  }
}
