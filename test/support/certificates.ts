// Certificates for tests, made by the openssl program: an authority, and servers and clients that it vouches for.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

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

/** An authority of its own; its files lie in a directory that the caller removes. */
export class CertificateAuthority {
  /** PEM file of the authority's own certificate. */
  readonly ca: string;
  private readonly directory: string;
  private readonly key: string;
  private count = 0;

  constructor(directory: string, name = 'authority') {
    this.directory = join(directory, name);
    mkdirSync(join(this.directory, 'issued'), { recursive: true });
    this.ca = join(this.directory, 'ca.pem');
    this.key = join(this.directory, 'ca.key');
    writeFileSync(join(this.directory, 'index.txt'), '');
    const subject = ['-subj', `/CN=${name}`];
    openssl(['req', '-x509', ...newKey(this.key), ...subject, '-days', '10', '-out', this.ca]);
  }

  /** A certificate for `name`. Certificates of one name replace each other where `into` says where they lie. */
  issue(name: string, options: CertificateOptions = {}, into?: Certificate): Certificate {
    const base = join(this.directory, `${name}-${++this.count}`);
    const { cert, key } = into ?? { cert: `${base}.pem`, key: `${base}.key` };
    const config = `${base}.cnf`;
    writeFileSync(
      config,
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${this.directory}/index.txt\nnew_certs_dir=${this.directory}/issued\n` +
        `rand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\nx509_extensions=x\n[p]\ncommonName=supplied\n` +
        `[x]\nsubjectAltName=${options.names ?? 'DNS:localhost,IP:127.0.0.1'}\nextendedKeyUsage=serverAuth,clientAuth\n`,
    );
    openssl(['req', ...newKey(`${base}.new.key`), '-subj', `/CN=${name}`, '-out', `${base}.csr`]);
    const days = [
      '-startdate',
      options.from ?? timeFromNow(-DAY_MS),
      '-enddate',
      options.until ?? timeFromNow(10 * DAY_MS),
    ];
    const signing = ['-keyfile', this.key, '-cert', this.ca, '-in', `${base}.csr`, '-out', `${base}.new.pem`];
    openssl(['ca', '-batch', '-notext', '-config', config, ...days, ...signing]);
    execFileSync('mv', [`${base}.new.key`, key]);
    execFileSync('mv', [`${base}.new.pem`, cert]);
    return { cert, key };
  }
}

function newKey(path: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', path];
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
