// A command's surroundings for tests: what it writes is kept, signals are sent by hand.
import type { Context, StopSignal } from '../../../src/cli/terminal.ts';
import { until } from '../../support/until.ts';

export class Console implements Context {
  out = '';
  err = '';
  readonly env: Readonly<Record<string, string>>;
  readonly terminal: Context['terminal'];
  private readonly listeners = new Set<(signal: StopSignal) => void>();
  private readonly escapes = new Set<(error: unknown) => void>();
  private readonly warnings = new Set<(warning: Error) => void>();
  private readonly reader = new AbortController();

  constructor(env: Readonly<Record<string, string>> = {}) {
    this.env = env;
    this.terminal = {
      out: (text) => void (this.out += text),
      err: (text) => void (this.err += text),
      isInteractive: false,
      gone: this.reader.signal,
    };
  }

  onSignal(listener: (signal: StopSignal) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Throws where nobody listens: the process would have ended at once. */
  send(signal: StopSignal): void {
    if (this.listeners.size === 0) throw new Error(`nobody listens for ${signal}`);
    for (const listener of [...this.listeners]) listener(signal);
  }

  onHangup(): () => void {
    return () => undefined;
  }

  onEscape(listener: (error: unknown) => void): () => void {
    this.escapes.add(listener);
    return () => this.escapes.delete(listener);
  }

  /** An error that nobody caught. Throws it where nobody listens: the process would have ended. */
  escape(error: unknown): void {
    if (this.escapes.size === 0) throw error;
    for (const listener of [...this.escapes]) listener(error);
  }

  onWarning(listener: (warning: Error) => void): () => void {
    this.warnings.add(listener);
    return () => this.warnings.delete(listener);
  }

  /** Node warns. Throws where nobody listens: it would have been printed. */
  warn(warning: Error): void {
    if (this.warnings.size === 0) throw warning;
    for (const listener of [...this.warnings]) listener(warning);
  }

  /** The reader of standard output goes away. */
  hangUp(): void {
    this.reader.abort();
  }

  get isListening(): boolean {
    return this.listeners.size + this.escapes.size + this.warnings.size > 0;
  }

  /** Waits until standard output holds `text`. */
  async shows(text: string): Promise<void> {
    await until(`output shows "${text}"`, () => this.out.includes(text));
  }

  get lines(): string[] {
    return this.out.split('\n').slice(0, -1);
  }
}
