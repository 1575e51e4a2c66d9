import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServerIdentifier } from '../../../src/x509/identifier.js';
import { issueCertificate, type IssuancePorts } from '../../../src/acme/issue.js';
import { AppError } from '../../../src/lib/errors.js';
import { appErrorOf } from '../../support/app-error.js';
import {
  BASE,
  problem,
  scriptedSession,
  type Script,
  type ScriptedAnswer,
} from '../../support/client/scripted-acme.js';

const TOKEN = 'evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA';
const UNFINISHED = {
  url: `${BASE}/order/1`,
  finalize: `${BASE}/finalize/1`,
  authorizations: [`${BASE}/authz/1`],
  csr: 'b2xk',
};

function names(count: number): ServerIdentifier[] {
  return Array.from({ length: count }, (_, at) => ({ type: 'dns', value: `n${at + 1}.example` }));
}

function order(status: string, count = 1): ScriptedAnswer {
  return {
    headers: { location: `${BASE}/order/1` },
    body: {
      status,
      authorizations: names(count).map((_, at) => `${BASE}/authz/${at + 1}`),
      finalize: `${BASE}/finalize/1`,
      ...(status === 'valid' ? { certificate: `${BASE}/certificate/1` } : {}),
    },
  };
}

function authorization(at: number, status: string, error?: object): ScriptedAnswer {
  const challenge = { type: 'http-01', url: `${BASE}/chall/${at}`, token: `${TOKEN}${at}`, error };
  const identifier = { type: 'dns', value: `n${at}.example` };
  return { body: { status, identifier, challenges: [challenge] } };
}

const COMMON: Script = {
  newAccount: [{ headers: { location: `${BASE}/account/1` }, body: {} }],
  'finalize/1': [order('valid')],
  'certificate/1': [{ body: 'PEM' }],
};

const VALID_1 = { 'authz/1': [authorization(1, 'pending'), authorization(1, 'valid')] };

interface Bed {
  readonly events: string[];
  readonly reports: readonly string[];
  readonly paths: () => readonly string[];
  /** The chains; throws what the issuance throws. */
  readonly issue: () => Promise<string[]>;
}

function bed(
  script: Script,
  ports: Partial<IssuancePorts> = {},
  { count = 1, canWithdraw = true }: { count?: number; canWithdraw?: boolean } = {},
): Bed {
  const { session, http, reports } = scriptedSession({ ...COMMON, ...script });
  const events: string[] = [];
  const log = (event: string): Promise<void> => {
    events.push(event);
    return Promise.resolve();
  };
  const all: IssuancePorts = {
    publishHttp01: (token) => log(`publish ${token.slice(TOKEN.length)}`),
    ...(canWithdraw && {
      withdrawHttp01: (token) => log(`withdraw ${token.slice(TOKEN.length)}`),
    }),
    beforeOrder: () => log('before'),
    onOpened: ({ url }) => {
      events.push(`opened ${url.pathname}`);
    },
    createCsr: async () => {
      await log('csr');
      return Buffer.from('csr');
    },
    ...ports,
  };
  return {
    events,
    reports,
    paths: () => http.paths,
    issue: async () => {
      const chains: string[] = [];
      for await (const chain of await issueCertificate(session, names(count), all)) {
        chains.push(chain);
      }
      return chains;
    },
  };
}

describe('issueCertificate', () => {
  it('orders, proves, finalizes and fetches, in this order', async () => {
    const { issue, events, reports } = bed({
      newOrder: [order('pending')],
      ...VALID_1,
      'chall/1': [{}],
      'order/1': [order('pending'), order('ready')],
    });
    assert.deepEqual(await issue(), ['PEM']);
    assert.deepEqual(events, ['before', 'opened /order/1', 'publish 1', 'csr']);
    assert.deepEqual(reports, [
      'ordering a certificate for n1.example',
      'n1.example: answering the http-01 challenge, waiting for the server to check it',
      'n1.example: authorized',
      'sending the certificate request',
      'fetching the certificate',
    ]);
  });

  it('has nothing to prove of an order that is ready', async () => {
    const { issue, events } = bed({ newOrder: [order('ready')] });
    assert.deepEqual(await issue(), ['PEM']);
    assert.deepEqual(events, ['before', 'opened /order/1', 'csr']);
  });

  it('places no order that the caller refuses', async () => {
    const { issue, events } = bed(
      {},
      {
        beforeOrder: () => {
          throw new AppError('CLIENT_CERTIFICATE', 'not yet');
        },
      },
    );
    await appErrorOf(issue, 'CLIENT_CERTIFICATE');
    assert.deepEqual(events, []);
  });

  for (const status of ['processing', 'valid']) {
    it(`refuses a new order that is ${status}`, async () => {
      const { issue, events } = bed({ newOrder: [order(status)] });
      const error = await appErrorOf(issue, 'ACME_INVALID');
      assert.equal(error.message, `order: ${status} before it was finalized`);
      assert.equal(events.includes('csr'), false);
    });
  }

  it('proves all names, sixteen of them at the same time', async () => {
    const count = 20;
    const all = names(count).map((_, at) => at + 1);
    let open = 0;
    let most = 0;
    const publishHttp01 = async (): Promise<void> => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
    };
    const { issue } = bed(
      {
        newOrder: [order('pending', count)],
        ...Object.fromEntries(
          all.flatMap((at) => [
            [`authz/${at}`, [authorization(at, 'pending'), authorization(at, 'valid')]],
            [`chall/${at}`, [{}]],
          ]),
        ),
        'order/1': [order('ready', count)],
      },
      { publishHttp01 },
      { count },
    );
    assert.deepEqual(await issue(), ['PEM']);
    assert.equal(most, 16);
  });
});

describe('names that are not proved', () => {
  const error = { type: 'urn:ietf:params:acme:error:connection', detail: 'refused' };

  it('fail the order with the reason of the one', async () => {
    const { issue, events, reports } = bed({
      newOrder: [order('pending')],
      'authz/1': [authorization(1, 'invalid', error)],
    });
    const failure = await appErrorOf(issue, 'ACME_ORDER_FAILED');
    assert.equal(failure.message, 'n1.example: connection: refused');
    assert.equal(reports.at(-1), failure.message);
    assert.equal(events.includes('csr'), false);
  });

  it('are all shown, though others were proved', async () => {
    const { issue, events, reports } = bed(
      {
        newOrder: [order('pending', 3)],
        'authz/1': [authorization(1, 'invalid', error)],
        'authz/2': [authorization(2, 'pending'), authorization(2, 'valid')],
        'chall/2': [{}],
        'authz/3': [authorization(3, 'expired')],
      },
      {},
      { count: 3 },
    );
    const failure = await appErrorOf(issue, 'ACME_ORDER_FAILED');
    assert.deepEqual(failure.message.split('\n'), [
      'order: 2 of 3 names were not authorized',
      'n1.example: connection: refused',
      'n3.example: the authorization is expired',
    ]);
    assert.match(failure.hint ?? '', /port 80/);
    assert.ok(events.includes('publish 2'));
    assert.ok(reports.includes('n2.example: authorized'));
  });

  it('are not blamed for an interruption, which is shown once', async () => {
    const gone = new AppError('CLIENT_INTERRUPTED', 'interrupted by SIGINT', { hint: 'why' });
    const { issue, reports } = bed(
      { newOrder: [order('pending', 3)], 'authz/1': [authorization(1, 'expired')] },
      { publishHttp01: () => Promise.reject(gone) },
      { count: 3 },
    );
    const { issue: interrupted } = bed(
      {
        newOrder: [order('pending', 3)],
        'authz/1': [authorization(1, 'expired')],
        'authz/2': [gone],
        'authz/3': [gone],
      },
      {},
      { count: 3 },
    );
    const failure = await appErrorOf(interrupted, 'CLIENT_INTERRUPTED');
    assert.deepEqual(failure.message.split('\n'), [
      'interrupted by SIGINT',
      'n1.example: the authorization is expired',
    ]);
    assert.equal(failure.hint, 'why');
    await assert.rejects(issue());
    assert.equal(reports.includes('interrupted by SIGINT'), false);
  });

  it('pass a single other failure on as it is', async () => {
    const { issue, reports } = bed({
      newOrder: [order('pending')],
      'authz/1': [problem('unauthorized', 403)],
    });
    const failure = await appErrorOf(issue, 'ACME_PROBLEM');
    assert.equal(failure.message, 'authorization: unauthorized');
    assert.equal(reports.includes(failure.message), false);
  });
});

describe('an order of an earlier run', () => {
  it('is continued, and no other is placed', async () => {
    const { issue, events, paths, reports } = bed(
      { 'order/1': [order('ready')], 'authz/1': [authorization(1, 'valid')] },
      { unfinished: UNFINISHED },
    );
    assert.deepEqual(await issue(), ['PEM']);
    assert.equal(paths().includes('newOrder'), false);
    assert.deepEqual(events, ['withdraw 1', 'csr']);
    assert.equal(reports[0], 'going on with the order of an earlier run for n1.example');
  });

  it('without a request is remembered anew with the one it gets', async () => {
    const { issue, events } = bed(
      { 'order/1': [order('ready')], 'authz/1': [authorization(1, 'valid')] },
      { unfinished: { ...UNFINISHED, csr: undefined } },
    );
    await issue();
    assert.deepEqual(events, ['opened /order/1', 'withdraw 1', 'csr']);
  });

  for (const status of ['processing', 'valid']) {
    it(`that is ${status} is sent no other request`, async () => {
      const { issue, events } = bed(
        {
          'order/1': [order(status), order('valid')],
          'authz/1': [authorization(1, 'valid')],
        },
        { unfinished: UNFINISHED },
      );
      assert.deepEqual(await issue(), ['PEM']);
      assert.deepEqual(events, ['withdraw 1']);
    });
  }

  it('that is pending is proved, and keeps its answers until then', async () => {
    const { issue, events } = bed(
      { 'order/1': [order('pending'), order('ready')], ...VALID_1, 'chall/1': [{}] },
      { unfinished: UNFINISHED },
    );
    await issue();
    assert.deepEqual(events, ['publish 1', 'csr']);
  });

  it('is replaced by a new one where the server does not know it', async () => {
    const { issue, events } = bed(
      { 'order/1': [problem('malformed', 404)], newOrder: [order('ready')] },
      { unfinished: UNFINISHED },
    );
    assert.deepEqual(await issue(), ['PEM']);
    assert.deepEqual(events, ['before', 'opened /order/1', 'csr']);
  });

  it('has its authorizations left alone where nothing can be withdrawn', async () => {
    const { issue, paths } = bed(
      { 'order/1': [order('ready')] },
      { unfinished: UNFINISHED },
      { canWithdraw: false },
    );
    await issue();
    assert.equal(paths().includes('authz/1'), false);
  });
});
