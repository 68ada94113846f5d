// Certificates for tests, made by the openssl program: an authority, and servers and clients that it vouches for.
import { execFile, execFileSync } from 'node:child_process';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** PEM files of one certificate. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate says. */
export interface CertificateOptions {
  /** Like `DNS:localhost,IP:127.0.0.1`, which is the default. */
  readonly names?: string;
  /** First and last day as `YYYYMMDDHHMMSSZ`. Default: yesterday, in ten days. */
  readonly from?: string;
  readonly until?: string;
}

const DAY_MS = 86_400_000;
const run = promisify(execFile);

/** `YYYYMMDDHHMMSSZ`, so many ms from now. */
export function timeFromNow(ms: number): string {
  return new Date(Date.now() + ms).toISOString().replace(/[-:T]|\.\d+/g, '');
}

/** False where there is no openssl. */
export function canMakeCertificates(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** An authority of its own; its files lie in a directory that the caller removes. Others may go on while openssl works. */
export class CertificateAuthority {
  /** PEM file of the authority's own certificate. */
  readonly ca: string;
  private readonly directory: string;
  private readonly key: string;
  private count = 0;

  private constructor(directory: string) {
    this.directory = directory;
    this.ca = join(directory, 'ca.pem');
    this.key = join(directory, 'ca.key');
  }

  static async create(directory: string, name = 'authority'): Promise<CertificateAuthority> {
    const authority = new CertificateAuthority(join(directory, name));
    await mkdir(join(authority.directory, 'issued'), { recursive: true });
    await writeFile(join(authority.directory, 'index.txt'), '');
    const subject = ['-subj', `/CN=${name}`];
    await openssl(['req', '-x509', ...newKey(authority.key), ...subject, '-days', '10', '-out', authority.ca]);
    return authority;
  }

  /** A certificate for `name`, one at a time. Those of one name replace each other where `into` says where they lie. */
  async issue(name: string, options: CertificateOptions = {}, into?: Certificate): Promise<Certificate> {
    const base = join(this.directory, `${name}-${++this.count}`);
    const { cert, key } = into ?? { cert: `${base}.pem`, key: `${base}.key` };
    const config = `${base}.cnf`;
    await writeFile(
      config,
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${this.directory}/index.txt\nnew_certs_dir=${this.directory}/issued\n` +
        `rand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\nx509_extensions=x\n[p]\ncommonName=supplied\n` +
        `[x]\nsubjectAltName=${options.names ?? 'DNS:localhost,IP:127.0.0.1'}\nextendedKeyUsage=serverAuth,clientAuth\n`,
    );
    await openssl(['req', ...newKey(`${base}.new.key`), '-subj', `/CN=${name}`, '-out', `${base}.csr`]);
    const days = [
      '-startdate',
      options.from ?? timeFromNow(-DAY_MS),
      '-enddate',
      options.until ?? timeFromNow(10 * DAY_MS),
    ];
    const signing = ['-keyfile', this.key, '-cert', this.ca, '-in', `${base}.csr`, '-out', `${base}.new.pem`];
    await openssl(['ca', '-batch', '-notext', '-config', config, ...days, ...signing]);
    await rename(`${base}.new.key`, key);
    await rename(`${base}.new.pem`, cert);
    return { cert, key };
  }
}

function newKey(path: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', path];
}

/** Rejects with what it said where it fails. */
async function openssl(args: readonly string[]): Promise<void> {
  await run('openssl', args);
}
