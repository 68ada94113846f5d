// What an operator should hear of an upstream as it happens, as lines of the process log.
import { PANIC_TEXT, type Panic } from '../balancer/priority.ts';
import type { Log } from '../telemetry/logger.ts';

/** Health is not believed any more, or is again. */
export function panicLog(log: Log): (upstream: string, panic: Panic) => void {
  return (upstream, panic) => {
    if (panic === 'none') log.info(PANIC_TEXT.none, { upstream });
    else log.warn(PANIC_TEXT[panic], { upstream });
  };
}
