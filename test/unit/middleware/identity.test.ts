import { describe, expect, it } from 'vitest';
import { forwarded, trustedPeers } from '../../../src/middleware/forwarded.ts';
import { removeOwnFields } from '../../../src/http/accept.ts';
import { checkAddressee } from '../../../src/middleware/own-fields.ts';
import { requestId } from '../../../src/middleware/request-id.ts';
import { Via } from '../../../src/middleware/via.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { aRequest } from '../../support/messages.ts';

const nobody = trustedPeers([]);

describe('forwarded', () => {
  it('replaces everything that an untrusted peer says of earlier hops', () => {
    const request = aRequest({
      peer: '10.0.0.9',
      headers: [
        ['X-Forwarded-For', '1.2.3.4'],
        ['Forwarded', 'for=1.2.3.4'],
        ['X-Forwarded-Host', 'evil'],
        ['x-forwarded-anything', 'x'],
        ['X-Forwarded-Client-Cert', 'By=me'],
        ['X-Real-IP', '1.2.3.4'],
        ['Accept', '*/*'],
      ],
    });
    forwarded(request, nobody);
    expect([...request.headers.entries()]).toEqual([
      ['Accept', '*/*'],
      ['X-Forwarded-For', '10.0.0.9'],
      ['X-Forwarded-Proto', 'http'],
    ]);
  });

  it('appends to what a trusted peer says and keeps the rest', () => {
    const request = aRequest({
      peer: '10.0.0.9',
      headers: [
        ['X-Forwarded-For', '1.2.3.4'],
        ['X-Forwarded-Proto', 'https'],
        ['X-Forwarded-Host', 'shop.example'],
      ],
    });
    forwarded(request, trustedPeers(['10.0.0.0/8']));
    expect([...request.headers.entries()]).toEqual([
      ['X-Forwarded-For', '1.2.3.4, 10.0.0.9'],
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Host', 'shop.example'],
    ]);
  });

  it('appends to the last of several fields, so that ours is the last hop', () => {
    const request = aRequest({
      peer: '::1',
      headers: [
        ['X-Forwarded-For', '1.1.1.1'],
        ['X-Forwarded-For', '2.2.2.2'],
      ],
    });
    forwarded(request, trustedPeers(['::1']));
    expect(request.headers.getAll('x-forwarded-for')).toEqual(['1.1.1.1', '2.2.2.2, ::1']);
  });

  it('trusts the networks that are named, and nobody else', () => {
    const isTrusted = trustedPeers(['10.0.0.0/8', '192.0.2.7', 'fd00::/8']);
    const answers = ['10.255.0.1', '11.0.0.1', '192.0.2.7', '192.0.2.8', 'fd12::1', 'fe80::1', '10.255.0.1'].map(
      isTrusted,
    );
    expect(answers).toEqual([true, false, true, false, true, false, true]);
  });
});

describe('requestId', () => {
  it('keeps a valid id', () => {
    const request = aRequest({ headers: [['X-Request-ID', 'abc-123']] });
    requestId(request, systemClock);
    expect([request.id, request.headers.getAll('x-request-id')]).toEqual(['abc-123', ['abc-123']]);
  });

  it.each([['a b'], ['"quoted"'], ['x'.repeat(129)], ['\u00ff'], ['']])('replaces the invalid id %j', (given) => {
    const request = aRequest({ headers: [['x-request-id', given]] });
    requestId(request, systemClock);
    expect(request.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(request.headers.getAll('x-request-id')).toEqual([request.id]);
  });

  it('takes two ids for none', () => {
    const request = aRequest({
      headers: [
        ['x-request-id', 'a'],
        ['x-request-id', 'b'],
      ],
    });
    requestId(request, systemClock);
    expect(request.headers.getAll('x-request-id')).toEqual([request.id]);
    expect(request.id).toHaveLength(36);
  });
});

describe('Via', () => {
  it('refuses a request that comes back to the listener that marked it', () => {
    const via = new Via();
    const request = aRequest();
    via.mark(request);
    expect(() => via.mark(request)).toThrow(expect.objectContaining({ code: 'PF_LOOP', status: 508 }));
  });

  it('takes a request that another listener has marked, and appends to the chain', () => {
    const request = aRequest({ headers: [['Via', '1.1 elsewhere']] });
    new Via().mark(request);
    new Via().mark(request);
    expect(request.headers.get('via')).toMatch(
      /^1\.1 elsewhere, 1\.1 pilotfish-[0-9a-f]{12}, 1\.1 pilotfish-[0-9a-f]{12}$/,
    );
  });
});

describe('own fields', () => {
  it('are taken off whatever an app says in them', () => {
    const request = aRequest({
      headers: [
        ['X-Pilotfish-To', 'x'],
        ['x-pilotfish-anything', 'y'],
        ['Accept', '*/*'],
      ],
    });
    removeOwnFields(request.headers);
    expect([...request.headers.entries()]).toEqual([['Accept', '*/*']]);
  });

  it('name the service that a request is for: another one is refused unexecuted', () => {
    const request = aRequest({ direction: 'inbound', headers: [['x-pilotfish-to', 'billing']] });
    expect(() => checkAddressee(request, 'orders')).toThrow(
      expect.objectContaining({ code: 'PF_MISDIRECTED', status: 421 }),
    );
  });

  it('are checked one by one: a second addressee is refused, too', () => {
    const headers = [
      ['x-pilotfish-to', 'orders'],
      ['x-pilotfish-to', 'billing'],
    ] as const;
    const request = aRequest({ direction: 'inbound', headers });
    expect(() => checkAddressee(request, 'orders')).toThrow(expect.objectContaining({ code: 'PF_MISDIRECTED' }));
  });

  it('go no further than our own service', () => {
    const request = aRequest({ direction: 'inbound', headers: [['x-pilotfish-to', 'orders']] });
    checkAddressee(request, 'orders');
    expect(request.headers.size).toBe(0);
  });
});
