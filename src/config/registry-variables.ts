// Variables of the registries' own tools that say where the servers are: judged here too, so that `validate` sees what `run` would.
import { addressesOf } from '../util/server-address.ts';
import type { Problem } from './problem.ts';
import {
  CONSUL_ADDRESS,
  ETCD_ADDRESS,
  NACOS_ADDRESS,
  problemOfAddress,
  type AddressForm,
} from './schema/server-address.ts';
import type { Environment } from './substitute.ts';
import type { Tree } from './tree.ts';

interface AddressVariable {
  readonly name: string;
  /** `registry.<type>.<field>`, which wins over it. */
  readonly type: string;
  readonly field: string;
  readonly form: AddressForm;
  readonly isList: boolean;
}

const ADDRESS_VARIABLES: readonly AddressVariable[] = [
  { name: 'ETCDCTL_ENDPOINTS', type: 'etcd', field: 'endpoints', form: ETCD_ADDRESS, isList: true },
  { name: 'CONSUL_HTTP_ADDR', type: 'consul', field: 'address', form: CONSUL_ADDRESS, isList: false },
  { name: 'NACOS_ADDR', type: 'nacos', field: 'endpoints', form: NACOS_ADDRESS, isList: true },
];

/** What is wrong with the one that counts: that of the registry in use, where its field says nothing. Never shows a value. */
export function problemsOfRegistryVariables(tree: Tree, env: Environment): Problem[] {
  const problems: Problem[] = [];
  for (const { name, type, field, form, isList } of ADDRESS_VARIABLES) {
    if (tree.get(['registry', 'type']) !== type || tree.get(['registry', type, field]) !== undefined) continue;
    const text = (env[name] ?? '').trim();
    for (const one of isList ? addressesOf(text) : text === '' ? [] : [text]) {
      const expected = problemOfAddress(one, form);
      if (expected === undefined) continue;
      problems.push({ where: name, path: `registry.${type}.${field}`, found: 'a text that is not shown', expected });
    }
  }
  return problems;
}
