import { describe, expect, it } from 'vitest';
import { registrySelection, upstreamOptions } from '../../../src/config/config.ts';
import { maskedConfig } from '../../../src/config/mask.ts';
import { UPSTREAM_DEFAULTS } from '../../../src/upstream/options.ts';
import { DEFAULT_LIMITS, STRICT_PATHS } from '../../../src/http/limits.ts';
import { LOG_LEVELS } from '../../../src/config/schema/process.ts';
import { LOG_LEVELS as LOGGER_LEVELS } from '../../../src/telemetry/logger.ts';
import { configOf } from './load.ts';

describe('upstreams', () => {
  const yaml = `
upstreams:
  "*": { balancer: random, timeout: { request: 1s }, retry: { attempts: 2, on: [connect], budget: { ratio: 0.5 } } }
  orders:
  payments: { timeout: { attempt: 100ms }, retry: { on: [503, connect] } }
  billing: { service: { namespace: finance, name: 请求 } }`;

  it('take the defaults under "*", and their own fields over both', async () => {
    const config = await configOf(yaml);
    expect(upstreamOptions(config, 'payments')).toEqual({
      ...UPSTREAM_DEFAULTS,
      name: 'payments',
      key: { namespace: 'default', group: 'default', service: 'payments' },
      balancer: { policy: 'random' },
      timeout: { ...UPSTREAM_DEFAULTS.timeout, requestMs: 1_000, attemptMs: 100 },
      retry: {
        attempts: 2,
        on: { connect: true, resetBeforeResponse: false, attemptTimeout: false, statuses: [503] },
        idempotencyKey: false,
        budget: { ratio: 0.5, minPerSecond: 10 },
      },
    });
  });

  it('that nobody named take what "*" says', async () => {
    const options = upstreamOptions(await configOf(yaml), 'unnamed');
    expect(options).toMatchObject({ name: 'unnamed', balancer: { policy: 'random' }, timeout: { requestMs: 1_000 } });
    expect(options.key.service).toBe('unnamed');
  });

  it('are known by name, "*" not among them', async () => {
    expect([...(await configOf(yaml)).upstreams.keys()]).toEqual(['orders', 'payments', 'billing']);
  });

  it('reach services that a Host cannot spell', async () => {
    const { key } = upstreamOptions(await configOf(yaml), 'billing');
    expect(key).toEqual({ namespace: 'finance', group: 'default', service: '请求' });
  });

  it('are asked in their own way whether they are well, however "*" asks', async () => {
    const config = await configOf(`
upstreams:
  "*": { health: { http: /healthz, rise: 4 } }
  orders: { health: { interval: 1s } }
  ledger: { health: { grpc: "" } }`);
    expect(upstreamOptions(config, 'orders').health).toMatchObject({
      probe: { kind: 'http', path: '/healthz' },
      intervalMs: 1_000,
      rise: 4,
    });
    expect(upstreamOptions(config, 'ledger').health).toMatchObject({ probe: { kind: 'grpc', service: '' }, rise: 4 });
    expect(upstreamOptions(await configOf(''), 'orders').health).toBeUndefined();
  });

  it('are not fooled by names of Object.prototype', async () => {
    const config = await configOf('upstreams: { tostring: { balancer: random } }');
    expect(upstreamOptions(config, 'toString').balancer.policy).toBe('least-request');
    expect(upstreamOptions(config, 'valueof').balancer.policy).toBe('least-request');
  });
});

describe('defaults', () => {
  it('are those of the modules that use them', async () => {
    const { upstreamDefaults, http } = await configOf('');
    expect(upstreamDefaults).toEqual(UPSTREAM_DEFAULTS);
    expect(http.limits).toEqual(DEFAULT_LIMITS);
    expect(http.paths).toEqual(STRICT_PATHS);
    expect(LOG_LEVELS).toEqual(LOGGER_LEVELS);
  });
});

describe('registrySelection', () => {
  it('gives each adapter its own part', async () => {
    const file = await configOf('registry: { file: { directory: /run/p } }');
    expect(registrySelection(file.registry)).toEqual({ type: 'file', options: { directory: '/run/p' } });
    const fixed = await configOf(
      'registry: { type: static, static: { a: ["[::1]:1", { host: h, port: 2, weight: 5 }] } }',
    );
    expect(registrySelection(fixed.registry)).toMatchObject({
      type: 'static',
      options: {
        a: [
          { host: '::1', port: 1, weight: 100 },
          { host: 'h', port: 2, weight: 5 },
        ],
      },
    });
  });
});

describe('maskedConfig', () => {
  it('is plain JSON with nothing secret in it', async () => {
    const yaml = 'service: { name: o, app: "a:1", metadata: { api_token: s3cret, version: "1" } }\nupstreams: { a: }';
    const masked = maskedConfig(await configOf(yaml));
    expect(JSON.parse(JSON.stringify(masked))).toEqual(masked);
    expect(masked).toMatchObject({
      service: { metadata: { api_token: '***', version: '1' } },
      upstreams: { a: { balancer: { policy: 'least-request' } } },
    });
  });
});
