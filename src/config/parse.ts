// YAML text → Tree, with the place of every value. The only file that loads `yaml`, and only loaded where there is a file.
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Node, ParsedNode, YAMLMap } from 'yaml';
import { foundText, pathText, printable } from './problem.ts';
import type { Path, Problem } from './problem.ts';
import { substitute } from './substitute.ts';
import type { Environment } from './substitute.ts';
import { newMapping, Tree } from './tree.ts';
import type { Spot } from './tree.ts';

/** Far above any configuration (10,000 static instances are half of it), far below what could hurt. */
export const MAX_FILE_BYTES = 1_048_576;
/** Values, those that aliases repeat included. */
const MAX_VALUES = 50_000;
const MAX_DEPTH = 24;
/** Characters that substitution may make of one file. */
const MAX_TEXT_CHARS = 4 * MAX_FILE_BYTES;
/** One slip of indentation makes a cascade of syntax errors: the first few tell it. */
const MAX_SYNTAX_PROBLEMS = 20;
/** Names by which JavaScript reaches a prototype. No field has them. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** Tree and problems; the tree is worth judging further also where there are problems, unless the YAML itself is broken. */
export interface Parsed {
  readonly tree: Tree;
  readonly problems: readonly Problem[];
  /** False: the text is no YAML, or no mapping; nothing in the tree says anything. */
  readonly isYaml: boolean;
}

/** Reads the text of a file named `file`. Never throws; `env` is what `${NAME}` looks up. */
export function parseYaml(text: string, file: string, env: Environment): Parsed {
  const reader = new Reader(file, env);
  return reader.read(text);
}

class Reader {
  private readonly tree: Tree;
  private readonly file: string;
  private readonly env: Environment;
  private readonly lines = new LineCounter();
  private readonly problems: Problem[] = [];
  private readonly anchors = new Map<string, Node>();
  private values = 0;
  private chars = 0;

  constructor(file: string, env: Environment) {
    this.tree = new Tree(file);
    this.file = file;
    this.env = env;
  }

  read(text: string): Parsed {
    const isYaml = this.readDocument(text);
    return { tree: this.tree, problems: this.problems, isYaml };
  }

  private readDocument(text: string): boolean {
    if (Buffer.byteLength(text) > MAX_FILE_BYTES) {
      this.report(0, [], 'more than 1 MiB', 'a file of at most 1 MiB');
      return false;
    }
    let document;
    try {
      // uniqueKeys compares every pair of keys; mapping() below does it in one pass, with both places.
      document = parseDocument(text, { lineCounter: this.lines, prettyErrors: false, uniqueKeys: false });
    } catch (error) {
      // The composer recurses: thousands of nested brackets may end here.
      this.report(0, [], error instanceof Error ? oneLine(error.message) : 'text that cannot be read', 'valid YAML');
      return false;
    }
    const told = new Set<number>();
    for (const { pos, message } of [...document.errors, ...document.warnings]) {
      if (told.size === MAX_SYNTAX_PROBLEMS || told.has(pos[0])) continue;
      told.add(pos[0]);
      this.report(pos[0], [], oneLine(message), 'valid YAML');
    }
    if (this.problems.length > 0) return false;
    const { contents } = document;
    if (contents === null || (isScalar(contents) && contents.value === null)) return true;
    if (!isMap(contents)) {
      this.report(contents.range[0], [], isSeq(contents) ? 'a list' : 'a single value', 'a mapping of sections');
      return false;
    }
    Object.assign(this.tree.root, this.mapping(contents, [], 0));
    return true;
  }

  private value(node: Node | null, path: Path, depth: number): unknown {
    if (node === null) return null;
    if (++this.values > MAX_VALUES || depth > MAX_DEPTH) {
      if (this.values <= MAX_VALUES || this.values === MAX_VALUES + 1) {
        const limit = depth > MAX_DEPTH ? `at most ${MAX_DEPTH} levels` : `at most ${MAX_VALUES} values`;
        this.report(
          offsetOf(node),
          path,
          depth > MAX_DEPTH ? 'deeper nesting' : 'more (aliases count each time)',
          limit,
        );
      }
      return undefined;
    }
    if (isAlias(node)) {
      const target = this.anchors.get(node.source);
      if (target !== undefined) return this.value(target, path, depth + 1);
      this.report(offsetOf(node), path, `the alias *${printable(node.source)}`, 'an anchor of that name before it');
      return undefined;
    }
    if ('anchor' in node && typeof node.anchor === 'string') this.anchors.set(node.anchor, node);
    if (isMap(node)) return this.mapping(node as YAMLMap.Parsed, path, depth);
    if (isSeq(node)) {
      return node.items.map((item, index) => {
        const child = [...path, index];
        if (item !== null) this.tree.setPlace(child, { key: undefined, value: this.spot(offsetOf(item as Node)) });
        return this.value(item as Node | null, child, depth + 1);
      });
    }
    return isScalar(node) ? this.scalar(node.value, offsetOf(node), path) : undefined;
  }

  private mapping(map: YAMLMap.Parsed, path: Path, depth: number): Record<string, unknown> {
    const result = newMapping();
    for (const { key: keyNode, value: valueNode } of map.items) {
      const offset = offsetOf(keyNode);
      const key = this.key(keyNode, path);
      if (key === undefined) continue;
      const child = [...path, key];
      if (Object.hasOwn(result, key)) {
        const first = this.tree.place(child)?.key?.line ?? 0;
        this.report(offset, child, `the key a second time (first in line ${first})`, 'each key once');
        continue;
      }
      const keySpot = this.spot(offset);
      const isEmpty = valueNode === null || offsetOf(valueNode) === valueNode.range[1];
      this.tree.setPlace(child, { key: keySpot, value: isEmpty ? keySpot : this.spot(offsetOf(valueNode)) });
      result[key] = this.value(valueNode, child, depth + 1);
      if (this.values > MAX_VALUES) break;
    }
    return result;
  }

  private key(node: ParsedNode, path: Path): string | undefined {
    if (!isScalar(node) || node.value === null || typeof node.value === 'object') {
      this.report(offsetOf(node), path, 'a key that is no plain name', 'a name, a colon and a value');
      return undefined;
    }
    const key = node.source;
    if (FORBIDDEN_KEYS.has(key)) {
      this.report(offsetOf(node), path, `the key ${foundText(key)}`, 'another name');
      return undefined;
    }
    return key;
  }

  private scalar(value: unknown, offset: number, path: Path): unknown {
    if (typeof value !== 'string') return typeof value === 'bigint' ? Number(value) : value;
    const result = substitute(value, this.env);
    if (!result.ok) {
      this.report(offset, path, result.found, result.expected);
      return undefined;
    }
    if (result.names.length === 0) return result.value;
    this.chars += result.value.length;
    if (this.chars > MAX_TEXT_CHARS) {
      this.report(offset, path, 'variables that are too long', 'at most 4 MiB in all');
      return undefined;
    }
    this.tree.setSubstituted(path, result.names);
    return result.value;
  }

  private report(offset: number, path: Path, found: string, expected: string): void {
    const { line, column } = this.spot(offset);
    const where = `${this.file}:${line}:${column}`;
    this.problems.push({ where, path: pathText(path), found, expected, line, column });
  }

  private spot(offset: number): Spot {
    const { line, col } = this.lines.linePos(offset);
    return line === 0 ? { line: 1, column: 1 } : { line, column: col };
  }
}

function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0;
}

function oneLine(message: string): string {
  if (message.startsWith('Maximum call stack')) return 'values nested too deeply';
  return printable(message.replace(/\s+/g, ' ').slice(0, 200));
}
