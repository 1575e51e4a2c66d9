// Who shares a budget: the listeners of one account under one policy do, unless it says `per
// listener`; accounts and policies never do. Real daemon, real clients.

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { connectAskingClient, type Answer } from '../../support/daemon/asking-client.js';
import {
  makeSectionBed,
  orderFor,
  startInBed,
  type SectionBed,
} from '../../support/daemon/daemon-sections.js';
import { makeKey } from '../../support/keys/keys.js';
import type { RunningProcess } from '../../support/process.js';

interface Listening {
  readonly name: string;
  readonly account?: string;
  readonly policy?: string;
}

function configOf(budgets: readonly string[], listeners: readonly Listening[]): string {
  const policy = (name: string): string => `
[policy.${name}]
operations = ["new-order"]
identifiers = ["*.example.org"]
budgets = ${JSON.stringify(budgets)}
`;
  const listen = ({ name, account = 'default', policy = 'web' }: Listening): string => `
[[listen]]
name = "${name}"
socket = "@/${name}"
account = "${account}"
policy = "${policy}"
`;
  return `
privkey = "file:@/account.pem"
state-directory = "@/state"
audit-log = "@/audit.jsonl"
[account.other]
privkey = "file:@/other.pem"
${policy('web')}${policy('mail')}${listeners.map(listen).join('')}`;
}

interface Fixture {
  readonly bed: SectionBed;
  readonly daemon: RunningProcess;
  /** One order on a connection of its own: `signed`, or the rule that refuses. */
  readonly order: (listener: string, host?: string) => Promise<string>;
}

async function start(t: TestContext, toml: string): Promise<Fixture> {
  const bed = await makeSectionBed(t, toml);
  const other = makeKey('ES256');
  writeFileSync(bed.path('other.pem'), other.pem, { mode: 0o600 });
  const last = /socket = "@\/(\w+)"(?![\s\S]*socket = )/.exec(toml)?.[1] ?? '';
  const daemon = await startInBed(t, bed, { waitFor: { socket: bed.path(last) } });
  const order = async (listener: string, host = 'www'): Promise<string> => {
    const key = listener.startsWith('other') ? other : bed.key;
    const client = await connectAskingClient(t, bed.path(listener), key.privateKey);
    const answer = await client.ask(orderFor(`${host}.example.org`));
    client.lines.close();
    return outcomeOf(answer);
  };
  return { bed, daemon, order };
}

function outcomeOf({ outcome, reply }: Answer): string {
  return outcome === 'rate-limited'
    ? (/"rule":"([^"]+)","operation":"new-order"\}$/.exec(reply)?.[1] ?? reply)
    : outcome;
}

const A_AND_B: readonly Listening[] = [{ name: 'a' }, { name: 'b' }];
const OF_ALL = configOf(['3 new-order per 1d'], A_AND_B);

describe('a budget', () => {
  it('is shared by the listeners of an account under a policy, also after a kill', async (t) => {
    const { bed, daemon, order } = await start(t, OF_ALL);
    assert.equal(await order('a'), 'signed');
    assert.equal(await order('b'), 'signed');
    daemon.signal('SIGKILL');
    await daemon.exited;
    for (const name of ['a', 'b']) {
      rmSync(bed.path(name));
    }
    await startInBed(t, bed, { waitFor: { socket: bed.path('b') } });
    assert.equal(await order('b'), 'signed');
    assert.equal(await order('a'), 'web.budgets');
    assert.equal(await order('b'), 'web.budgets');
  });

  it('`per listener` is one for each of them', async (t) => {
    const { order } = await start(t, configOf(['2 new-order per 1d per listener'], A_AND_B));
    assert.equal(await order('a'), 'signed');
    assert.equal(await order('a'), 'signed');
    assert.equal(await order('a'), 'web.budgets');
    assert.equal(await order('b'), 'signed');
    assert.equal(await order('b'), 'signed');
    assert.equal(await order('b'), 'web.budgets');
  });

  it('`per identifier` is shared as well, unless it is `per listener`', async (t) => {
    const shared = '1 new-order per 1d per identifier';
    const { order } = await start(t, configOf([shared], A_AND_B));
    assert.equal(await order('a'), 'signed');
    assert.equal(await order('b', 'WWW'), 'web.budgets', 'the same name');
    assert.equal(await order('b', 'mail'), 'signed');
    const apart = await start(t, configOf([`${shared} per listener`], A_AND_B));
    assert.equal(await apart.order('a'), 'signed');
    assert.equal(await apart.order('b'), 'signed');
    assert.equal(await apart.order('a'), 'web.budgets');
  });

  it('is not shared by two accounts, nor by two policies', async (t) => {
    const { order } = await start(
      t,
      configOf(
        ['1 new-order per 1d'],
        [...A_AND_B, { name: 'mail', policy: 'mail' }, { name: 'other', account: 'other' }],
      ),
    );
    assert.equal(await order('a'), 'signed');
    assert.equal(await order('b'), 'web.budgets');
    assert.equal(await order('other'), 'signed');
    assert.equal(await order('other'), 'web.budgets');
    assert.equal(await order('mail'), 'signed');
    assert.equal(await order('mail'), 'mail.budgets');
  });

  it('that has no room charges none of the others', async (t) => {
    const budgets = ['2 new-order per 1d', '1 new-order per 1d per identifier'];
    const { order } = await start(t, configOf(budgets, A_AND_B));
    assert.equal(await order('a'), 'signed');
    for (let count = 0; count < 5; count += 1) {
      assert.equal(await order('b'), 'web.budgets');
    }
    assert.equal(await order('b', 'mail'), 'signed', 'refusals were not counted');
    assert.equal(await order('a', 'ftp'), 'web.budgets');
  });
});
