// Every change of a breaker as a line of the process log.
import type { Log } from '../telemetry/logger.ts';
import type { BreakerDescription } from '../upstream/breaker-view.ts';

/** Only `open` is a warning. `forMs`: until the next probe. */
export function breakerLog(log: Log): (upstream: string, change: BreakerDescription) => void {
  return (upstream, { state, why, untilMs }) => {
    const fields = { upstream, why, ...(untilMs === undefined ? {} : { forMs: untilMs }) };
    if (state === 'open') log.warn('breaker open', fields);
    else log.info(`breaker ${state}`, fields);
  };
}
