// A loop of C_Sign in one process on one token, nothing around it: what the daemon is compared with.
// `node c-sign-loop.js MODULE TOKEN PINFILE KEYLABEL MECHANISM COUNT`, the result on stdout.

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import pkcs11js from 'pkcs11js';

/** DER of DigestInfo for SHA-256 up to the hash, RFC 8017 §9.2. */
const SHA256_DIGEST_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');
const CKF_OS_LOCKING_OK = 2;
const SIGNATURE_BYTES = 1024;

const [modulePath = '', tokenLabel = '', pinFile = '', keyLabel = '', mechanism = '', count = '0'] =
  process.argv.slice(2);

const module = new pkcs11js.PKCS11();
module.load(modulePath);
module.C_Initialize({ flags: CKF_OS_LOCKING_OK });
const slot = module
  .C_GetSlotList(true)
  .find((candidate) => module.C_GetTokenInfo(candidate).label.trim() === tokenLabel);
if (slot === undefined) {
  throw new Error(`no token ${tokenLabel}`);
}
const session = module.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION);
module.C_Login(session, pkcs11js.CKU_USER, readFileSync(pinFile, 'utf8').trim());
module.C_FindObjectsInit(session, [
  { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PRIVATE_KEY },
  { type: pkcs11js.CKA_LABEL, value: keyLabel },
]);
const [key] = module.C_FindObjects(session, 1);
module.C_FindObjectsFinal(session);
if (key === undefined) {
  throw new Error(`no key ${keyLabel}`);
}

const isRsa = mechanism === 'CKM_RSA_PKCS';
const type = isRsa ? pkcs11js.CKM_RSA_PKCS : pkcs11js.CKM_ECDSA;
const times: number[] = [];
const started = performance.now();
for (let at = 0; at < Number(count); at += 1) {
  const before = performance.now();
  const digest = createHash('sha256').update(randomBytes(200)).digest();
  module.C_SignInit(session, { mechanism: type }, key);
  module.C_Sign(
    session,
    isRsa ? Buffer.concat([SHA256_DIGEST_INFO, digest]) : digest,
    Buffer.alloc(SIGNATURE_BYTES),
  );
  times.push(performance.now() - before);
}
const seconds = (performance.now() - started) / 1000;
module.C_Finalize();
times.sort((a, b) => a - b);
process.stdout.write(
  JSON.stringify({
    perSecond: times.length / seconds,
    p50: times[Math.floor(times.length * 0.5)],
    p99: times[Math.floor(times.length * 0.99)],
  }),
);
