// `npm run fuzz`: random and mutated messages, in process and through a running sidecar. `--seed N --seconds N --only process|sockets`.
import { inspect, parseArgs } from 'node:util';
import { Findings } from './findings.ts';
import { fuzzInProcess } from './in-process.ts';
import { Random } from './random.ts';
import { fuzzThroughSockets } from './through-sockets.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string' }, seconds: { type: 'string', default: '60' }, only: { type: 'string' } },
});
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const seconds = Number(values.seconds);
const findings = new Findings();
process.on('unhandledRejection', (error) => findings.tell(`an unhandled rejection: ${inspect(error)}`));
process.on('uncaughtException', (error) => findings.tell(`an uncaught exception: ${inspect(error)}`));
console.log(`seed ${seed}`);

const perMinute = (count: number): string => Math.round((count * 60) / seconds).toLocaleString('en');
if (values.only !== 'sockets') {
  const { parsed, compared, accepted } = await fuzzInProcess(new Random(seed), seconds, findings);
  console.log(
    `in process: ${parsed} messages (${perMinute(parsed)} a minute), ${accepted} accepted, ${compared} compared with Node`,
  );
}
if (values.only !== 'process') {
  const sent = await fuzzThroughSockets(new Random(seed), seconds, findings);
  console.log(`through a sidecar: ${sent} messages (${perMinute(sent)} a minute)`);
}
console.log(findings.count === 0 ? 'nothing found' : `${findings.count} findings, saved in test/fuzz/corpus`);
process.exit(findings.count === 0 ? 0 : 1);
