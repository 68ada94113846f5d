// `${NAME}` and `${NAME:-default}` inside the values of the file, replaced after parsing, so that no value can change its structure.

/** Variables by name; `process.env`, or a test's own. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** `names`: variables that were looked up. On failure `found` and `expected` complete a Problem. */
export type Substitution =
  | { readonly ok: true; readonly value: string; readonly names: readonly string[] }
  | { readonly ok: false; readonly found: string; readonly expected: string };

const REFERENCE = /\$\$|\$\{([^}]*)\}?/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Replaces every reference in one value. `$$` is a dollar sign; a dollar before anything but `{` and `$` is itself. The
 * default is taken where the variable is unset or empty, as in a shell. What comes in is not looked at again.
 */
export function substitute(text: string, env: Environment): Substitution {
  if (!text.includes('$')) return { ok: true, value: text, names: [] };
  const names: string[] = [];
  let failure: Substitution | undefined;
  const value = text.replace(REFERENCE, (whole, inner: string | undefined) => {
    if (inner === undefined) return '$';
    const split = inner.indexOf(':-');
    const name = split < 0 ? inner : inner.slice(0, split);
    if (!whole.endsWith('}') || !NAME.test(name)) {
      failure ??= { ok: false, found: JSON.stringify(whole.slice(0, 60)), expected: '${NAME} or ${NAME:-default}' };
      return '';
    }
    names.push(name);
    const given = Object.hasOwn(env, name) ? env[name] : undefined;
    if (split >= 0) return given === undefined || given === '' ? inner.slice(split + 2) : given;
    if (given === undefined) {
      failure ??= { ok: false, found: `\${${name}}, which is not set`, expected: `a value, or \${${name}:-default}` };
    }
    return given ?? '';
  });
  return failure ?? { ok: true, value, names };
}
