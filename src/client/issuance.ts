// One certificate from its configuration to its installed files. Runs in the client's master: it has
// the key, builds the key authorizations, and treats what the CA sends as hostile until verified.

import { keyAuthorization } from '../acme/challenge.js';
import type { Identifier } from '../acme/identifier.js';
import { issueCertificate } from '../acme/issue.js';
import type { CertificateConfig } from '../config/claviger-config.js';
import { systemClock } from '../lib/clock.js';
import { readBundle, withSession, type ClientContext } from './acme-access.js';
import { parseCertificates, parseChain } from './certificate-chain.js';
import { certificatePaths, installChain } from './certificate-files.js';
import { openChallengeAnswers } from './challenge-answers.js';
import { createCsr } from './csr.js';
import { assertInstallable } from './install.js';
import { openServerKey } from './server-key.js';
import { assertChain } from './verify.js';

/**
 * Obtains, verifies and installs one certificate. Old files stay untouched on any failure.
 * @throws AppError of any kind
 */
export async function issueOne(
  context: ClientContext,
  certificate: CertificateConfig,
  identifiers: readonly Identifier[],
): Promise<void> {
  // Whatever can be found wrong here is found before anybody is asked for anything.
  const paths = certificatePaths(certificate);
  await assertInstallable(paths);
  const authorities =
    certificate.caFile === undefined
      ? undefined
      : parseCertificates(await readBundle(certificate.caFile));
  const key = await openServerKey(certificate.key, certificate.keyType);
  if (key.isNew) {
    context.report(`made a new ${key.type} key in ${certificate.key}`);
  }
  const answers = await openChallengeAnswers(certificate.challenge);
  // Begun early: its library loads while the signer and the CA are being connected.
  const csr = createCsr(key.privateKey, identifiers);
  csr.catch(() => undefined); // whoever awaits it below gets the error
  try {
    const pem = await withSession(context, (session) =>
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
    await installChain(certificate, chain);
    const [leaf] = chain;
    context.report(`installed ${paths.join(', ')}; valid until ${leaf.validTo}`);
  } finally {
    await answers.close();
  }
}
