// Certificates from files, read again when the files change.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import type { Clock } from '../../src/util/clock.ts';
import { RegistryError } from '../../src/registry/types.ts';
import type { EtcdTlsOptions } from './options.ts';

/** What etcd3 takes. */
export interface TlsMaterial {
  readonly rootCertificate: Buffer;
  readonly privateKey?: Buffer;
  readonly certChain?: Buffer;
}

/** Files are looked at no more often than this, in ms. */
const LOOK_EVERY_MS = 1_000;

/** The material of one set of files. */
export class TlsFiles {
  private readonly options: EtcdTlsOptions;
  private readonly clock: Clock;
  private current: TlsMaterial;
  private mark: string;
  private lookedAtMs: number;

  /** Throws RegistryError `invalid` where a file cannot be read or is not what it should be. */
  constructor(options: EtcdTlsOptions, clock: Clock) {
    this.options = options;
    this.clock = clock;
    this.current = readMaterial(options);
    this.mark = this.look();
    this.lookedAtMs = clock.now();
  }

  /** The newest material: the same object while the files are as they were, or cannot be read (yet). */
  get material(): TlsMaterial {
    const nowMs = this.clock.now();
    if (nowMs - this.lookedAtMs < LOOK_EVERY_MS) return this.current;
    this.lookedAtMs = nowMs;
    const mark = this.look();
    if (mark === this.mark) return this.current;
    try {
      this.current = readMaterial(this.options);
      this.mark = mark;
    } catch {
      // Half written, or a new certificate without its key yet: looked at again.
    }
    return this.current;
  }

  private look(): string {
    return [this.options.ca, this.options.cert, this.options.key]
      .map((path) => {
        const facts = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
        return facts === undefined ? '-' : `${facts.ino} ${facts.size} ${facts.mtimeMs}`;
      })
      .join();
  }
}

function readMaterial(options: EtcdTlsOptions): TlsMaterial {
  const { ca, cert, key } = options;
  const rootCertificate = ca === undefined ? Buffer.from(rootCertificates.join('\n')) : read(ca, 'ca');
  if (ca !== undefined) parse('ca', () => new X509Certificate(rootCertificate));
  if (cert === undefined || key === undefined) return { rootCertificate };
  const certChain = read(cert, 'cert');
  const privateKey = read(key, 'key');
  const leaf = parse('cert', () => new X509Certificate(certChain));
  if (!leaf.checkPrivateKey(parse('key', () => createPrivateKey(privateKey)))) {
    throw new RegistryError('invalid', 'registry.etcd.tls: key and cert do not belong together');
  }
  return { rootCertificate, certChain, privateKey };
}

function read(path: string, field: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new RegistryError('invalid', `registry.etcd.tls.${field}: ${path} cannot be read`, { cause: error });
  }
}

function parse<T>(field: string, read: () => T): T {
  try {
    return read();
  } catch {
    // Without its cause: OpenSSL may repeat parts of what it could not read.
    throw new RegistryError('invalid', `registry.etcd.tls.${field}: not a PEM file of that kind`);
  }
}
