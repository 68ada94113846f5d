// The order of test files: those that wait for servers for minutes begin first, so that a run does not end with one of them alone.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Parts of their paths, the longest first. */
const LONG = [
  'conformance/conformance.test',
  'e2e/containers/topology',
  'e2e/outage/',
  'e2e/registry-secrets',
] as const;

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const found = LONG.findIndex((part) => moduleId.includes(part));
      return found < 0 ? LONG.length : found;
    };
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}
