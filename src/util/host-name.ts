// What a host may be called, where people write it: in configuration, variables and arguments.
import { isIP } from 'node:net';

const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62}){0,126}$/;

/** An IPv4 address or a name that DNS could hold (underscores allowed); digits and dots that are no address are neither. */
export function isHostName(value: string): boolean {
  return isIP(value) === 4 || (HOST_NAME.test(value) && !/^[\d.]+$/.test(value));
}
