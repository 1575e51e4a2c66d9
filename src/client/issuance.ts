// One certificate from its configuration to its installed files. Runs in the client's master: it has
// the key, builds the key authorizations, and treats what the CA sends as hostile until verified.

import { keyAuthorization } from '../acme/challenge.js';
import type { Identifier } from '../acme/identifier.js';
import { issueCertificate } from '../acme/issue.js';
import { outputsOf, type CertificateConfig } from '../config/claviger-certificate.js';
import { systemClock } from '../lib/clock.js';
import { readBundle, withSession, type ClientContext } from './acme-access.js';
import { parseCertificates, parseChain } from './certificate-chain.js';
import { certificateFiles } from './certificate-files.js';
import { openChallengeAnswers } from './challenge-answers.js';
import { createCsr } from './csr.js';
import { assertInstallable, installFiles } from './install.js';
import { openServerKey } from './server-key.js';
import type { SharedSigner } from './shared-signer.js';
import { assertChain } from './verify.js';

/**
 * Obtains, verifies and installs one certificate. Old files stay untouched on any failure.
 * @throws AppError of any kind
 */
export async function issueOne(
  context: ClientContext,
  signer: SharedSigner,
  certificate: CertificateConfig,
  identifiers: readonly Identifier[],
): Promise<void> {
  // Whatever can be found wrong here is found before anybody is asked for anything.
  const authorities =
    certificate.caFile === undefined
      ? undefined
      : parseCertificates(await readBundle(certificate.caFile));
  const key = await openServerKey(certificate.key, certificate.keyType);
  await assertInstallable({
    outputs: outputsOf(certificate),
    key: certificate.key,
    isNewKey: key.file !== undefined,
  });
  if (key.file !== undefined) {
    context.report(`made a new ${key.type} key; it gets its file with the certificate`);
  }
  const answers = await openChallengeAnswers(certificate.challenge);
  // Begun early: its library loads while the signer and the CA are being connected.
  const csr = createCsr(key.privateKey, identifiers);
  csr.catch(() => undefined); // whoever awaits it below gets the error
  try {
    const pem = await withSession(context, signer, (session) =>
      issueCertificate(session, identifiers, {
        publishHttp01: (token) =>
          answers.publish(token, keyAuthorization(token, session.signer.thumbprint)),
        createCsr: () => csr,
      }),
    );
    const chain = parseChain(pem);
    assertChain(chain, {
      privateKey: key.privateKey,
      identifiers,
      now: systemClock.now(),
      authorities,
    });
    const files = [
      ...(key.file === undefined ? [] : [key.file]),
      ...certificateFiles(certificate, chain),
    ];
    await installFiles(files);
    const [leaf] = chain;
    const paths = files.map(({ path }) => path).join(', ');
    context.report(`installed ${paths}; valid until ${leaf.validTo}`);
  } finally {
    await answers.close();
  }
}
