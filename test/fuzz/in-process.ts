// Messages without sockets: ours at two splits, which have to agree, and Node's parser, which has to understand what we accept.
import { STRICT_PATHS } from '../../src/http/limits.ts';
import { parseTarget } from '../../src/http/target.ts';
import { cut, readAnswers, readRequests, type Reading, type ReadMessage } from '../unit/http1/reading.ts';
import type { Findings } from './findings.ts';
import { answer, cuts, requests } from './generate.ts';
import { isKnownMethod, nodeAnswer, nodeRequests, type NodeMessage, type NodeReading } from './node-oracle.ts';
import type { Random } from './random.ts';

/** Every so many messages Node is asked as well. */
const ORACLE_EVERY = 12;

/** Runs for `seconds`. @returns how many messages our parser was given, and how many of them Node was. */
export async function fuzzInProcess(
  random: Random,
  seconds: number,
  findings: Findings,
): Promise<{ parsed: number; compared: number; accepted: number }> {
  const untilMs = performance.now() + seconds * 1_000;
  let parsed = 0;
  let compared = 0;
  let accepted = 0;
  while (performance.now() < untilMs) {
    const isAnswer = random.chance(0.3);
    const bytes = Buffer.from(isAnswer ? answer(random) : requests(random), 'latin1');
    const read = isAnswer ? readAnswers : readRequests;
    let whole: Reading;
    try {
      whole = read([bytes]);
      const split = read(cut(bytes, cuts(bytes.length, random)));
      parsed += 2;
      if (verdict(split) !== verdict(whole)) findings.add(isAnswer ? 'answer' : 'request', bytes, 'differs when split');
    } catch (error) {
      findings.add(isAnswer ? 'answer' : 'request', bytes, `threw ${String(error)}`);
      continue;
    }
    if (whole.messages.length > 0) accepted++;
    if (parsed % (2 * ORACLE_EVERY) !== 0 || whole.messages.length === 0) continue;
    compared++;
    const problem = isAnswer ? await compareAnswer(bytes, whole) : await compareRequests(bytes, whole);
    if (problem !== undefined) findings.add(isAnswer ? 'answer' : 'request', bytes, problem);
  }
  return { parsed, compared, accepted };
}

/** Which of several faults is named, and whether garbage is refused early or waited for, may depend on the split; nothing else. */
function verdict(reading: Reading): string {
  return JSON.stringify([reading.messages, reading.error !== undefined || reading.isPartial]);
}

async function compareRequests(bytes: Buffer, ours: Reading): Promise<string | undefined> {
  const node = await nodeRequests(bytes);
  for (const [index, message] of ours.messages.entries()) {
    const [method = ''] = message.start.split(' ');
    if (!isKnownMethod(method)) return undefined;
    const theirs = node.messages[index];
    if (theirs === undefined && isKnownQuirk(bytes, node)) return undefined;
    if (theirs === undefined) return `Node refuses message ${index} (${node.error ?? 'it is missing'})`;
    const problem = differs(message, theirs) ?? differsInTarget(message, theirs);
    if (problem !== undefined) return `message ${index}: ${problem}`;
  }
  return undefined;
}

async function compareAnswer(bytes: Buffer, ours: Reading): Promise<string | undefined> {
  const final = ours.messages.find((message) => !message.start.startsWith('1'));
  if (final === undefined || ours.error !== undefined || ours.messages.at(-1) !== final) return undefined;
  const node = await nodeAnswer(bytes, 'GET');
  const theirs = node.messages[0];
  if (theirs === undefined && isKnownQuirk(bytes, node)) return undefined;
  if (theirs === undefined) return `Node refuses the answer (${node.error ?? 'it is missing'})`;
  if (String(theirs.status) !== final.start.slice(0, 3)) return `status ${theirs.status}`;
  return isKnownQuirk(bytes, node) ? undefined : differs(final, theirs);
}

function differs(ours: ReadMessage, theirs: NodeMessage): string | undefined {
  if (!theirs.isComplete) return 'Node does not see its end';
  if (theirs.content !== ours.content) return 'the content differs';
  const fields = new Set(pairsOf(theirs.fields));
  const missing = pairsOf(ours.fields).find((pair) => !fields.has(pair) && !/^(te|host|max-forwards):/i.test(pair));
  if (missing !== undefined) return `Node has no ${JSON.stringify(missing)}`;
  const trailers = new Set(pairsOf(theirs.trailers));
  const lost = pairsOf(ours.trailers).find((pair) => !trailers.has(pair));
  return lost === undefined ? undefined : `Node has no trailer ${JSON.stringify(lost)}`;
}

function differsInTarget(ours: ReadMessage, theirs: NodeMessage): string | undefined {
  const [method = '', , target = ''] = ours.start.split(' ');
  const { path, query } = parseTarget(theirs.method, theirs.url, STRICT_PATHS);
  return method === theirs.method && target === path + query ? undefined : `Node reads ${theirs.method} ${theirs.url}`;
}

function pairsOf(fields: readonly string[]): string[] {
  const pairs: string[] = [];
  for (let index = 0; index < fields.length; index += 2)
    pairs.push(`${fields[index] ?? ''}:${fields[index + 1] ?? ''}`);
  return pairs;
}

/** Where Node is known to differ from RFC 9112, or from what we do on purpose. */
function isKnownQuirk(bytes: Buffer, node: NodeReading): boolean {
  const text = bytes.toString('latin1');
  // A tab behind a length is optional whitespace.
  if (node.error === 'HPE_INVALID_CONTENT_LENGTH' && /^content-length:[^\r\n]*\t[\t ]*\r$/im.test(text)) return true;
  // Behind an upgrade that nobody takes, Node reads no further; we take the upgrade off.
  if (node.error === undefined && /^upgrade:/im.test(text)) return true;
  // Trailers of an answer that may not stand there are dropped by us, and an error to Node.
  return (
    node.error?.startsWith('HPE_') === true &&
    /\r\n0[^\r\n]*\r\n([^\r\n]+\r\n)*(content-length|transfer-encoding):/i.test(text)
  );
}
