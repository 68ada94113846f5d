// What it would take for an endpoint that is not picked first to be so again: one sentence for people.
import type { EndpointState } from '../telemetry/metric-sources.ts';
import type { Endpoint } from './endpoint.ts';
import type { EjectionCause } from './outlier.ts';

/** A cause that needs more, or less, than a connection. */
const AFTER: Readonly<Partial<Record<EjectionCause, string>>> = {
  misdirected: 'then one request, which has to reach the right service',
  'app-down': 'then one request, which its sidecar has to take',
  draining: 'then one request, which its sidecar has to take',
};

/** Undefined for one that is picked. @param state of its placement now */
export function wayBack({ instance, isFlapping, outlier }: Endpoint, state: EndpointState): string | undefined {
  switch (state) {
    case 'available':
      return undefined;
    case 'ejected':
      return AFTER[outlier.cause] === undefined
        ? 'the ejection ends, and a connection can be opened; it is longer the next time where that fails'
        : `the ejection ends, a connection can be opened, ${AFTER[outlier.cause] ?? ''}`;
    case 'suspect':
      return isFlapping
        ? 'it stays registered: what it has against it halves every minute'
        : 'the registry names it again; a probe that fails takes it away';
    case 'unhealthy':
      return 'its health is passing again';
    case 'disabled':
      if (!instance.enabled) return 'it is enabled in the registry';
      return instance.weight <= 0 ? 'its weight in the registry is above 0' : 'nothing: its protocol is not supported';
    case 'draining':
      return 'it registers again';
  }
}
