import { describe, expect, it } from 'vitest';
import { OutboundNames } from '../../../src/router/outbound-name.ts';

const names = new OutboundNames('.pilotfish', ['api.example.com', 'other.example:8443']);

describe('OutboundNames', () => {
  it.each([
    ['orders', 'orders'],
    ['orders:15001', 'orders'],
    ['orders.pilotfish', 'orders'],
    ['orders.pilotfish:15001', 'orders'],
    ['orders.pilotfish.', 'orders'],
    ['a.b-c_d', 'a.b-c_d'],
  ])('reads the service in %s', (authority, name) => {
    expect(names.resolve(authority)).toEqual({ kind: 'service', name });
  });

  it.each([
    '127.0.0.1',
    '127.0.0.1:80',
    '[::1]',
    '[::1]:80',
    'localhost',
    'localhost:3000',
    'x.localhost',
    '.pilotfish',
    '2130706433',
    '127.1',
    '',
  ])('never looks up %j', (authority) => {
    expect(names.resolve(authority).kind).toBe('refused');
  });

  it('lets hosts outside through where they are named, with or without their port', () => {
    expect([
      names.resolve('api.example.com'),
      names.resolve('api.example.com:8080'),
      names.resolve('other.example:8443'),
    ]).toEqual([
      { kind: 'outside', host: 'api.example.com', port: 80 },
      { kind: 'outside', host: 'api.example.com', port: 8080 },
      { kind: 'outside', host: 'other.example', port: 8443 },
    ]);
    expect(names.resolve('other.example:80').kind).toBe('service');
  });

  it('remembers a bounded number of names', () => {
    for (let i = 0; i < 10_000; i++) names.resolve(`service-${i}`);
    expect(names.resolve('service-1')).toEqual({ kind: 'service', name: 'service-1' });
  });
});
