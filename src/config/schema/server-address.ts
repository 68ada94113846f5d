// Where a registry's server is: `host:port` or an http(s) URL, and nothing else in it. Who we are there has fields of its own.
import { z } from 'zod';
import { parseServerAddress, parseSocketAddress } from '../../util/server-address.ts';

/** How the servers of one registry are named, and what takes the credentials that do not belong into an address. */
export interface AddressForm {
  /** Completes "expected …". */
  readonly what: string;
  /** Fields and variables for user, password or token. */
  readonly credentials: string;
  /** Also `unix:///path`. */
  readonly allowsSocket?: boolean;
}

export const ETCD_ADDRESS: AddressForm = {
  what: 'http://host:port or https://host:port',
  credentials: 'registry.etcd.username and .password, or ETCDCTL_USER and ETCDCTL_PASSWORD',
};

export const CONSUL_ADDRESS: AddressForm = {
  what: 'host:port, an http or https URL, or unix:///path',
  credentials: 'registry.consul.token or .tokenFile, or CONSUL_HTTP_TOKEN',
  allowsSocket: true,
};

export const NACOS_ADDRESS: AddressForm = {
  what: 'host:port, or an http or https URL',
  credentials: 'registry.nacos.username and .password, or NACOS_USERNAME and NACOS_PASSWORD',
};

/** What an address should have been, in the words of Problem; undefined where it is one. Never repeats the text. */
export function problemOfAddress(text: string, form: AddressForm): string | undefined {
  if (form.allowsSocket === true && parseSocketAddress(text) !== undefined) return undefined;
  if (text.includes('@')) return `${form.what}, without credentials: those go into ${form.credentials}`;
  return parseServerAddress(text) === undefined ? form.what : undefined;
}

/** One server of a registry, as text. */
export function serverAddress(form: AddressForm) {
  return z.string({ error: form.what }).superRefine((value, context) => {
    const expected = problemOfAddress(value, form);
    if (expected !== undefined) context.addIssue({ code: 'custom', message: expected, input: value });
  });
}
