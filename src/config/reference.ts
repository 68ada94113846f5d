// docs/configuration.md and docs/pilotfish.schema.json, made from the schema and the table of variables. Not loaded at run time.
import { z } from 'zod';
import { fileSchema } from './schema/config.ts';
import { VARIABLES } from './variables.ts';

/** As much of JSON Schema as z.toJSONSchema makes of our schemas. */
interface Node {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Node | boolean;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly 'x-type'?: string;
  readonly 'x-range'?: string;
}

const INTRODUCTION = `# Configuration

<!-- Written by \`npm run docs\` from src/config/schema; a test holds the two equal. -->

One YAML file, \`pilotfish.yaml\` in the working directory unless \`-c\` or \`PILOTFISH_CONFIG\` says otherwise, and
environment variables, which win over it. Either alone is enough. \`pilotfish validate\` prints every problem at once, as
\`file:line:column: field: found X, expected Y\`; the same is done before a start.

\`\`\`yaml
service:
  name: orders
  app: 127.0.0.1:3000
  health: { http: /healthz }
upstreams:
  '*': { retry: { attempts: 2 } } # for every upstream
  payments: { timeout: { request: 2s } } # merged over it
\`\`\`

- **Durations** are \`250ms\`, \`5s\`, \`1.5m\`, \`1h\`; **sizes** \`512B\`, \`16KiB\`, \`1MiB\`. A number without a unit is an error. There is no
  "never": every wait has a bound.
- **Unknown and repeated keys** are errors, so that a misspelt one is not silently without effect.
- **\`\${NAME}\`** in a value is replaced by that environment variable, \`\${NAME:-default}\` by the default where it is unset or
  empty; \`$$\` is a dollar sign. An unset one without a default is an error. It is done after the YAML was parsed, so that a
  value cannot change the structure. Inside \`{ }\` and \`[ ]\` YAML wants it quoted: \`{ weight: "\${WEIGHT}" }\`.
- **Bounds**: 1 MiB of text, 50,000 values (aliases count each time they are used), 24 levels.
- An editor that knows [pilotfish.schema.json](pilotfish.schema.json) completes and checks while you type:
  \`# yaml-language-server: $schema=…/pilotfish.schema.json\`.
`;

/** The published JSON Schema of the file. */
export function jsonSchema(): string {
  const schema = z.toJSONSchema(fileSchema, { io: 'input', target: 'draft-2020-12' });
  const { $schema, ...rest } = schema;
  return `${JSON.stringify({ $schema, title: 'pilotfish.yaml', ...rest }, undefined, 2)}\n`;
}

/** The reference page, before prettier. */
export function referencePage(): string {
  const root = z.toJSONSchema(fileSchema, { io: 'input' }) as Node;
  const sections = Object.entries(root.properties ?? {}).map(([name, node]) => section(name, node));
  return [INTRODUCTION, variables(), ...sections].join('\n');
}

function variables(): string {
  const rows = VARIABLES.map((variable) =>
    row([code(variable.name), variable.meaning, variable.default, variable.field === '' ? '' : code(variable.field)]),
  );
  return `## Environment variables

An empty variable counts as unset. An unknown \`PILOTFISH_\` name is a warning. Those of our own record have no effect without
an own service.

${row(['Variable', 'Meaning', 'Default', 'Field'])}
${row(['---', '---', '---', '---'])}
${rows.join('\n')}
`;
}

function section(name: string, node: Node): string {
  const fields = rowsOf(name, node);
  return `## \`${name}\`

${node.description ?? ''}

${row(['Field', 'Type', 'Default', 'Meaning'])}
${row(['---', '---', '---', '---'])}
${fields.join('\n')}
`;
}

/** Rows of all fields below a mapping; the mapping's own row is the heading or came before. */
function rowsOf(path: string, node: Node): string[] {
  if (node.properties !== undefined) {
    return Object.entries(node.properties).flatMap(([key, child]) =>
      field(`${path}.${key}`, child, node.required?.includes(key) === true),
    );
  }
  const oneOf = node.anyOf?.find((branch) => branch.properties !== undefined);
  if (oneOf !== undefined) return rowsOf(path, oneOf);
  if (node.items?.properties !== undefined) return rowsOf(`${path}[]`, node.items);
  const entry = node.additionalProperties;
  if (typeof entry !== 'object' || entry['x-type'] !== undefined) return [];
  const values = entry.items ?? entry;
  const mapping = values.anyOf?.find((branch) => branch.properties !== undefined) ?? values;
  return rowsOf(`${path}.<name>${entry.items === undefined ? '' : '[]'}`, mapping);
}

function field(path: string, node: Node, isRequired: boolean): string[] {
  const below = rowsOf(path, node);
  const byDefault = isRequired ? '**required**' : below.length > 0 ? '' : defaultOf(node.default);
  return [row([code(path), typeOf(node), byDefault, node.description ?? '']), ...below];
}

function typeOf(node: Node): string {
  if (node['x-type'] !== undefined) {
    return node['x-range'] === undefined ? node['x-type'] : `${node['x-type']}, ${node['x-range']}`;
  }
  if (node.enum !== undefined) return node.enum.map((value) => code(String(value))).join(', ');
  if (node.const !== undefined) return code(JSON.stringify(node.const));
  if (node.anyOf !== undefined) return node.anyOf.map(typeOf).join(' or ');
  if (node.items !== undefined) return `list of ${typeOf(node.items)}`;
  if (node.type === 'integer' || node.type === 'number') {
    return `${node.type === 'integer' ? 'integer' : 'number'}, ${node.minimum ?? ''} to ${node.maximum ?? ''}`;
  }
  if (node.type === 'object') return 'mapping';
  return node.type === 'string' ? 'text' : (node.type ?? '');
}

function defaultOf(value: unknown): string {
  if (value === undefined) return '';
  if (Array.isArray(value) && value.length === 0) return 'none';
  if (Array.isArray(value)) return value.map((item) => code(String(item))).join(', ');
  if (typeof value === 'object') return 'none';
  return code(typeof value === 'string' ? value : JSON.stringify(value));
}

function code(text: string): string {
  return `\`${text}\``;
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
