// Text of foreign origin on its way out of both programs: no escape sequence, no C1 control,
// nothing that makes text run backwards, in no format. A label of a token, a name in a request, a
// file's name, a word on the command line.

import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { makeChain } from '../../support/audit/audit-chain.js';
import { runClaviger } from '../../support/client/claviger.js';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import {
  makeSectionBed,
  orderFor,
  askOnce,
  startInBed,
} from '../../support/daemon/daemon-sections.js';
import { runCommand, type CommandResult } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { suiteScope } from '../../support/scope.js';
import { createSoftHsm, type SoftHsm } from '../../support/modules/softhsm.js';
import { makeTempDir } from '../../support/temp-dir.js';

/**
 * C0, DEL, C1 (CSI), right-to-left override, isolate, line separator, and a tag beyond the first
 * plane.
 */
const EVIL = '\u001b[2Ja\u007f\u009b1mb\u202ec\u2066d\u2028e\u{e0041}';
/** A file's name may have no slash, and SoftHSM's tool takes a label of 32 bytes. */
const EVIL_LABEL = '\u009b2J\u202eevil\u2066';

const UNSAFE = /[^\P{C}\n]|[\u2028\u2029]/u;

function assertSafe({ stdout, stderr }: CommandResult): void {
  assert.doesNotMatch(stdout, UNSAFE);
  assert.doesNotMatch(stderr, UNSAFE);
}

describe('foreign text', () => {
  const scope = suiteScope();
  let hsm: SoftHsm;
  let folder: string;
  let config: string;
  before(async () => {
    folder = await makeTempDir(scope);
    config = join(folder, 'clavigerd.toml');
    writeFileSync(config, 'privkey = "file:/nonexistent"\nsocket = "/nonexistent/S"\n', {
      mode: 0o600,
    });
    hsm = await createSoftHsm(scope);
    await hsm.addToken(EVIL_LABEL);
  });

  for (const format of ['--json', undefined]) {
    const more = format === undefined ? [] : [format];
    const shown = format ?? 'text';

    it(`is safe in key list, ${shown}`, async () => {
      const args = ['key', 'list', '--module-name=softhsm2', ...more];
      const result = await runClavigerd(args, { env: hsm.env });
      assertSafe(result);
      assert.match(result.stdout, /\\u009b2J\\u202eevil\\u2066/);
      if (format !== undefined) {
        const read = JSON.stringify(JSON.parse(result.stdout));
        assert.ok(read.includes(JSON.stringify({ token: EVIL_LABEL }).slice(0, -1)), read);
      }
    });

    it(`is safe in policy test, ${shown}`, async () => {
      const { payload } = orderFor(EVIL);
      const request = {
        protected: { alg: 'ES256', kid: 'https://ca.example/a', url: EVIL },
        payload,
      };
      const requests = join(folder, 'requests');
      writeFileSync(requests, `${JSON.stringify(request)}\n`);
      assertSafe(await runClavigerd(['policy', 'test', requests, '--config', config, ...more]));
      const valid = { ...request.protected, nonce: 'bm9uY2U', url: 'https://ca.example/x' };
      writeFileSync(requests, `${JSON.stringify({ protected: valid, payload })}\n`);
      const result = await runClavigerd(['policy', 'test', requests, '--config', config, ...more]);
      assertSafe(result);
      assert.match(result.stdout, /\\u202ec\\u2066d\\u2028e\\udb40\\udc41/);
      if (format !== undefined) {
        const report: unknown = JSON.parse(result.stdout);
        assert.ok(typeof report === 'object' && report !== null && 'identifiers' in report);
        assert.deepEqual(report.identifiers, [`dns:${EVIL}`]);
      }
    });

    it(`is safe in audit verify, show and summary, ${shown}`, async () => {
      const path = join(folder, `${EVIL}.jsonl`);
      writeFileSync(path, `${makeChain(2).join('\n')}\n{"\u009b\u202e"\n`);
      for (const command of ['verify', 'show', 'summary']) {
        const result = await runClavigerd(['audit', command, path, ...more]);
        assertSafe(result);
        const told = command === 'verify' ? result.stdout : result.stderr;
        assert.match(told, /\\u009b1mb\\u202ec\\u2066d\\u2028e\\udb40\\udc41\.jsonl/);
      }
    });
  }

  for (const [program, run] of [
    ['clavigerd', runClavigerd],
    ['claviger', runClaviger],
  ] as const) {
    for (const args of [
      [EVIL],
      [`--${EVIL}`],
      [`--config=/nonexistent/${EVIL}`],
      ['help', EVIL],
      program === 'claviger' ? ['issue', EVIL] : ['key', EVIL],
    ]) {
      it(`is safe when ${program} tells what is wrong with ${JSON.stringify(args)}`, async () => {
        const result = await run(args);
        assertSafe(result);
        assert.notEqual(result.code, 0);
      });
    }
  }

  for (const [program, run, args] of [
    ['clavigerd', runClavigerd, ['--privkey=file:@', '--socket=/tmp/x']],
    ['clavigerd', runClavigerd, ['--privkey=file:/nonexistent', '--socket=@']],
    ['clavigerd', runClavigerd, ['--config=@']],
    ['clavigerd', runClavigerd, ['--privkey=pkcs11:object=k?module-path=/nonexistent/%0a']],
    ['clavigerd', runClavigerd, ['--privkey=pkcs11:object=k?module-name=softhsm2&pin-source=/%1b']],
    ['claviger', runClaviger, ['account', 'show', '--socket=@']],
    ['claviger', runClaviger, ['account', 'show', '--server-ca-file=@']],
    ['claviger', runClaviger, ['issue', 'a.test', '--fullchain=/nonexistent/x', '--key=@']],
    ['claviger', runClaviger, ['account', 'show', '--config=@']],
  ] as const) {
    it(`is refused in a path: ${program} ${args.join(' ')}`, async () => {
      for (const control of ['\n', '\u001b[2J', '\u009b']) {
        const words = args.map((arg) => arg.replace('@', `/nonexistent/a${control}b`));
        const result = await run(words);
        assert.equal(result.code, 2, result.stderr);
        assertSafe(result);
        assert.match(result.stderr, /has a control character|must not have control characters/);
      }
    });
  }

  for (const [program, run, args] of [
    ['clavigerd', runClavigerd, ['audit', 'verify', '@']],
    ['clavigerd', runClavigerd, ['audit', 'show', '@']],
    ['clavigerd', runClavigerd, ['audit', 'summary', '--json', '@']],
    ['clavigerd', runClavigerd, ['policy', 'test', '@']],
    ['clavigerd', runClavigerd, ['policy', 'explain', '--config=@']],
    ['clavigerd', runClavigerd, ['key', 'show', 'file:@']],
    ['clavigerd', runClavigerd, ['key', 'list', '--module=@']],
    ['clavigerd', runClavigerd, ['key', 'import', '@', '--module-name=softhsm2', '--label=x']],
    ['clavigerd', runClavigerd, ['policy', 'test', 'requests', '--jwk=@']],
    ['clavigerd', runClavigerd, ['pin', 'status', '--state-directory=@']],
    ['claviger', runClaviger, ['revoke', '@']],
  ] as const) {
    it(`is safe in the name of a file that is read: ${program} ${args.join(' ')}`, async () => {
      for (const name of ['a\nb', EVIL]) {
        const words = args.map((arg) => arg.replace('@', join(folder, name)));
        const missing = await run(words);
        assertSafe(missing);
        assert.notEqual(`${missing.stdout}${missing.stderr}`, '');
        assert.doesNotMatch(`\n${missing.stderr}`, /\nb/);
        writeFileSync(join(folder, name), 'no content that anything reads\n', { mode: 0o600 });
        assertSafe(await run(words));
        rmSync(join(folder, name));
      }
    });
  }

  it('is refused in a path that the environment names', async () => {
    const user = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, CLAVIGERD];
    const env = { XDG_RUNTIME_DIR: '/nonexistent/a\nb', XDG_CONFIG_HOME: '/nonexistent' };
    const args = [...user, '--privkey=file:/nonexistent'];
    const result = await runCommand('setpriv', args, { env });
    assert.equal(result.code, 2);
    assert.match(
      result.stderr,
      /socket: "\/nonexistent\/a\\nb\/S\.claviger" has a control character/,
    );
  });

  it('is safe in the log, on standard error and in the file', async (t) => {
    const bed = await makeSectionBed(t, 'privkey = "file:@/account.pem"\nsocket = "@/S"\n');
    const daemon = await startInBed(t, bed, { waitFor: { socket: bed.path('S') } });
    await askOnce(t, bed.path('S'), { ...orderFor(EVIL), kid: EVIL, url: `https://${EVIL}` });
    await daemon.stop();
    const log = readFileSync(bed.logfile, 'utf8');
    assert.match(log, /\\u202e/);
    assert.doesNotMatch(log, UNSAFE);
    assert.doesNotMatch(daemon.output.replaceAll('\r', ''), UNSAFE);
  });
});
