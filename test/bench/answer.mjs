// The answer of every backend to `GET /`: 64 bytes of JSON.
export const ANSWER = JSON.stringify({ id: 7, name: 'bench', text: 'x'.repeat(31) });
