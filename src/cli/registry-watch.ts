// `pilotfish registry watch`: changes of one service as they come, until interrupted.
import { systemClock } from '../util/clock.ts';
import type { ServiceInstance } from '../registry/types.ts';
import { EXIT } from './command.ts';
import { keyOf, withRegistry } from './registry-access.ts';
import { changesBetween, changeText } from './registry-changes.ts';
import { printable } from '../config/problem.ts';
import { interrupted } from './terminal.ts';
import type { Context } from './terminal.ts';

interface Values {
  readonly json?: boolean | undefined;
  readonly config?: string | undefined;
  readonly registry?: string | undefined;
}

/** What the registry says is shown as it says it: the guard is for callers, who cannot ask why a list is empty. */
const NO_GUARD = { emptyConfirmMs: 0, shrinkRatio: 1, holdMs: 0 };

/** One line a change; the first list comes as additions. */
export function watch(context: Context, values: Values, service: string): Promise<number> {
  const key = keyOf(service);
  const tell = (text: string, fields: object): void => {
    const time = new Date(systemClock.wallMs()).toISOString();
    context.terminal.out(values.json === true ? `${JSON.stringify({ time, ...fields })}\n` : `${time} ${text}\n`);
  };
  return withRegistry(context, values, { guard: NO_GUARD }, async (registry) => {
    let known: readonly ServiceInstance[] = [];
    const watching = registry.watch(key, {
      onView: ({ snapshot }) => {
        for (const change of changesBetween(known, snapshot.instances)) tell(changeText(change), change);
        known = snapshot.instances;
      },
      onState: (state, reason) => {
        const why = reason === undefined ? {} : { reason: reason.message };
        tell(printable(`! ${state}${reason === undefined ? '' : `: ${reason.message}`}`), {
          change: 'state',
          state,
          ...why,
        });
      },
    });
    await interrupted(context);
    watching.close();
    return EXIT.ok;
  });
}
