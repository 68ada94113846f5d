// The process log: JSON lines by pino, through the same writer as everything else that goes to standard output.
import { pino, type Logger as PinoLogger } from 'pino';
import { causeChain, ProxyError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import { asciiJson } from './json-text.ts';
import type { LineWriter } from './line-writer.ts';
import { MomentText } from './number-text.ts';

/** pino's levels, most talkative first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** What belongs to a message. `error` is printed with the whole chain of its causes. Never anything secret. */
export interface LogFields {
  readonly error?: unknown;
  readonly [name: string]: unknown;
}

/** A log that anybody can be given. Texts are for people; what a machine should read belongs into the fields. */
export interface Log {
  trace(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  fatal(message: string, fields?: LogFields): void;
}

/** What a logger is made of. */
export interface LoggerOptions {
  readonly level: LogLevel;
  readonly writer: LineWriter;
  readonly clock: Clock;
  /** Stand in every line: the name of the own service, for instance. */
  readonly base?: Readonly<Record<string, string>>;
}

/** How many links of a chain of causes are printed one by one. */
const MAX_CAUSES = 8;

/** The process log. Lines leave in the turn of the loop in which they were written; `writer.flushSync` at the exit takes the rest. */
export class Logger implements Log {
  private readonly pino: PinoLogger;

  constructor(options: LoggerOptions) {
    const { clock, writer } = options;
    const moment = new MomentText();
    this.pino = pino(
      {
        level: options.level,
        base: options.base ?? {},
        timestamp: () => `,"time":"${moment.of(clock.wallMs())}"`,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error: errorFields },
      },
      { write: (line: string) => writer.writeNow(asciiJson(line)) },
    );
  }

  get level(): LogLevel {
    const { level } = this.pino;
    return isLogLevel(level) ? level : 'info';
  }

  /** Takes effect at once, for everything logged from now on. */
  set level(level: LogLevel) {
    this.pino.level = level;
  }

  trace(message: string, fields: LogFields = {}): void {
    this.pino.trace(fields, message);
  }

  debug(message: string, fields: LogFields = {}): void {
    this.pino.debug(fields, message);
  }

  info(message: string, fields: LogFields = {}): void {
    this.pino.info(fields, message);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.pino.warn(fields, message);
  }

  error(message: string, fields: LogFields = {}): void {
    this.pino.error(fields, message);
  }

  fatal(message: string, fields: LogFields = {}): void {
    this.pino.fatal(fields, message);
  }
}

/** True for a level's name, whoever sent it. */
export function isLogLevel(text: unknown): text is LogLevel {
  return LOG_LEVELS.some((level) => level === text);
}

/**
 * An error as a log line shows it: `message` is the whole chain down to the root, `causes` the same link by link,
 * and `stack` stands only where the root is a bug: neither one of ours nor the system's.
 */
export function errorFields(error: unknown): Readonly<Record<string, unknown>> {
  const chain = linksOf(error);
  const root = chain.at(-1);
  const [outermost] = chain;
  const isExpected = root === undefined || (isExpectedError(root) && !isBug(outermost));
  return {
    message: causeChain(error),
    ...(outermost === undefined ? {} : linkFields(outermost)),
    ...(chain.length > 1
      ? { causes: chain.slice(1).map((link) => ({ ...linkFields(link), message: link.message })) }
      : {}),
    ...(isExpected ? {} : { stack: root.stack }),
  };
}

function linksOf(error: unknown): Error[] {
  const links: Error[] = [];
  let link = error;
  while (link instanceof Error && links.length < MAX_CAUSES) {
    links.push(link);
    // Several addresses tried at once (AggregateError): the last failure stands for all.
    const several: readonly unknown[] = link instanceof AggregateError ? link.errors : [];
    link = link.cause ?? several.at(-1);
  }
  return links;
}

function linkFields(error: Error): Readonly<Record<string, unknown>> {
  const code: unknown = (error as NodeJS.ErrnoException).code;
  const facts = error instanceof ProxyError ? { endpoint: error.endpoint, requestSent: error.requestSent } : {};
  return { type: error.name, ...(typeof code === 'string' ? { code } : {}), ...facts };
}

function isBug(error: Error | undefined): boolean {
  return error instanceof ProxyError && error.code === 'PF_INTERNAL';
}

/** One of ours, or one with a code or a kind: somebody foresaw it. */
function isExpectedError(error: Error): boolean {
  return error instanceof ProxyError ? !isBug(error) : 'code' in error || 'kind' in error;
}
