// The whole surface of the admin listeners on one screen. `/reload` comes with hot reload.
import * as actions from './actions.ts';
import { explain } from './explain.ts';
import * as views from './views.ts';

/** What one path answers to. HEAD is answered wherever GET is. */
export interface Route {
  readonly get?: views.View;
  readonly post?: actions.Action;
}

/** Safe to show to platforms: `admin.probes` serves these and nothing else. */
export const PROBE_ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/livez', { get: views.livez }],
  ['/startupz', { get: views.startupz }],
  ['/readyz', { get: views.readyz }],
  ['/metrics', { get: views.metrics }],
]);

/** Everything. Nothing changes by GET. */
export const ADMIN_ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ...PROBE_ROUTES,
  ['/config', { get: views.config }],
  ['/upstreams', { get: views.upstreams }],
  ['/explain', { get: explain }],
  ['/registration', { get: views.registration }],
  ['/registry', { get: views.registry }],
  ['/drain', { post: actions.drain }],
  ['/undrain', { post: actions.undrain }],
  ['/quit', { post: actions.quit }],
  ['/log-level', { post: actions.logLevel }],
]);

/** The methods of a route, for `Allow` (RFC 9110 §10.2.1). */
export function allowOf(route: Route): string {
  return [...(route.get === undefined ? [] : ['GET', 'HEAD']), ...(route.post === undefined ? [] : ['POST'])].join(
    ', ',
  );
}
