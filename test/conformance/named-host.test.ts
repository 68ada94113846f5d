// Cases run side by side, so one that ends must leave the names of the others alone.
import dns from 'node:dns';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { namedHost } from './named-host.ts';

test('a name that is forgotten takes no other with it', async () => {
  const first = namedHost('127.0.0.1');
  const second = namedHost('127.0.0.2');
  first.forget();
  second.leadsTo('127.0.0.3');
  expect(await dns.promises.lookup(second.host, { all: true })).toEqual([{ address: '127.0.0.3', family: 4 }]);
  expect(await promisify(dns.lookup)(second.host, { all: true })).toEqual([{ address: '127.0.0.3', family: 4 }]);
  second.forget();
  await expect(dns.promises.lookup(first.host, { all: true })).rejects.toThrow('getaddrinfo');
  await expect(dns.promises.lookup(second.host, { all: true })).rejects.toThrow('getaddrinfo');
});
