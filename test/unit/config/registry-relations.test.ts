// What no field of a registry's section is wrong about alone, and `run` would refuse: told before, with its place in the file.
import { describe, expect, test } from 'vitest';
import { problemsOf } from './load.ts';

describe('fields that do not go together', () => {
  test.each([
    [
      'etcd: { endpoints: ["http://a:1", "https://b:1"] }',
      'registry.etcd.endpoints',
      'all with http, or all with https',
    ],
    ['etcd: { tls: { cert: /c.pem } }', 'registry.etcd.tls', 'cert and key, or neither'],
    ['etcd: { tls: { key: /k.pem } }', 'registry.etcd.tls', 'cert and key, or neither'],
    [
      'etcd: { endpoints: ["http://a:1"], tls: { ca: /ca.pem } }',
      'registry.etcd.tls',
      'no files where the endpoints say http',
    ],
    ['etcd: { password: s3cret }', 'registry.etcd.username', 'the user whose password is given'],
    ['nacos: { tls: { cert: /c.pem } }', 'registry.nacos.tls', 'cert and key, or neither'],
  ])('%s', async (line, path, expected) => {
    const [problem = '', ...more] = await problemsOf(`registry:\n  type: static\n  ${line}\n`);
    expect(more).toEqual([]);
    expect(problem).toMatch(/^pilotfish\.yaml:3:\d+: /);
    expect(problem).toContain(`${path}: `);
    expect(problem).toContain(`expected ${expected}`);
    expect(problem).not.toContain('s3cret');
  });

  test.each([
    'etcd: { endpoints: ["https://a:1", "https://b:1"], tls: { cert: /c.pem, key: /k.pem } }',
    'etcd: { endpoints: ["a:1", "https://b:1"], tls: { ca: /ca.pem } }',
    'etcd: { endpoints: ["http://a:1"], tls: {} }',
    'etcd: { username: root, password: s3cret }',
    // Consul completes each file by a variable of its own.
    'consul: { tls: { cert: /c.pem } }',
    'nacos: { tls: { cert: /c.pem, key: /k.pem } }',
  ])('may stand together: %s', async (line) => {
    expect(await problemsOf(`registry: { type: static, ${line} }`)).toEqual([]);
  });
});
