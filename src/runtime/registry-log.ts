// What the registry core reports, as lines of the process log: trouble as warnings, everyday life at debug.
import type { RegistryEvent } from '../registry/registry.ts';
import { keyText } from '../registry/types.ts';
import type { Log } from '../telemetry/logger.ts';

export function logRegistryEvent(log: Log, event: RegistryEvent): void {
  switch (event.kind) {
    case 'watch-state': {
      const { state, reason } = event;
      const fields = { upstream: keyText(event.key), state, ...(reason === undefined ? {} : { error: reason }) };
      if (state === 'stale') log.warn('the registry cannot be heard: the last list is held', fields);
      else if (state === 'denied') log.warn('the registry denies access: the last list is held', fields);
      else log.debug('watch', fields);
      return;
    }
    case 'registration-state': {
      const { state, reason, instance } = event;
      const fields = { id: instance.id, state, ...(reason === undefined ? {} : { error: reason }) };
      if (reason === undefined) log.info('registration', fields);
      else log.warn('registration', fields);
      return;
    }
    case 'guarded':
      log.warn('a list lost most of its instances at once: they are held as suspects', {
        upstream: keyText(event.key),
      });
      return;
    case 'driver': {
      const { name, reason } = event;
      log.info('the registry is spoken to', { driver: name, ...(reason === undefined ? {} : { error: reason }) });
      return;
    }
    case 'listener-error':
      log.error('a registry listener met a bug', { error: event.error });
      return;
    case 'snapshot-error':
      log.error('snapshots on disk do not work', { error: event.error });
  }
}
