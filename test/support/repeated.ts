// What passed on the second try alone (`retry` in vitest.config.ts): told with its first error, and counted when the run ends.
import type { Reporter, TestCase } from 'vitest/node';

/** A reporter of vitest, beside its own, which tells of slow repetitions only. */
export class RepeatedTests implements Reporter {
  private readonly lines: string[] = [];

  onTestCaseResult(test: TestCase): void {
    if (test.diagnostic()?.flaky !== true) return;
    const error = test.result().errors?.[0]?.message.split('\n')[0] ?? 'no error was kept';
    this.lines.push(`***   ${test.module.relativeModuleId} > ${test.fullName}: ${error}\n`);
  }

  onTestRunEnd(): void {
    if (this.lines.length === 0) return;
    process.stdout.write(
      `\n*** REPEATED: ${this.lines.length} failed at first and passed then:\n${this.lines.join('')}\n`,
    );
  }
}
