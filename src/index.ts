// The library's face: what a program that embeds a sidecar, or brings a registry of its own, may rely on. The one barrel.
export { startSidecar } from './sidecar.ts';
export type { Sidecar, SidecarOptions } from './sidecar.ts';
export { loadConfig } from './config/source.ts';
export type { Loaded, LoadOptions } from './config/source.ts';
export type { Config } from './config/config.ts';
export { CODES, ProxyError } from './errors.ts';
export type { CodeFacts, ErrorCode, ErrorFacts } from './errors.ts';
export type { Handler, Layer, Middleware, ProxyRequest, ProxyResponse } from './http/message.ts';
export { Breaker } from './resilience/breaker.ts';
export { BREAKER_TABLE } from './resilience/breaker-table.ts';
export type { BreakerRow, OutcomeFacts } from './resilience/breaker-table.ts';
export { fanOut } from './resilience/fan-out.ts';
export type { FanOutOptions, FanOutResult, Task } from './resilience/fan-out.ts';
export type { BreakerOptions } from './upstream/options.ts';
export { RegistryError } from './registry/types.ts';
export type {
  Capabilities,
  RegistrationHandle,
  RegistryAdapter,
  ServiceDiscovery,
  ServiceInstance,
  ServiceKey,
  ServiceRegistry,
  Snapshot,
  Watch,
} from './registry/types.ts';
export { systemClock } from './util/clock.ts';
export type { Clock } from './util/clock.ts';
