// `clavigerd key attest`: prints the certificate with which a token attests that it generated a
// key, as proof that no copy exists. Only some tokens can. A process of its own, run by a person.
// What the token says is escaped before it is printed.

import type { X509Certificate } from 'node:crypto';
import type { Command } from 'commander';
import { attestTokenKey } from '../../keys/admin/key-objects.js';
import { printable } from '../../lib/printable.js';
import { keyContext, printReport, uriOfKey, withKeyOptions, type KeyOptions } from './options.js';
import { tracker } from './progress.js';

interface AttestationReport {
  readonly label: string;
  readonly id: string;
  readonly subject: string;
  readonly issuer: string;
  /** PEM of the attestation. */
  readonly attestation: string;
  /**
   * PEM of the certificate that issued it, from the token; its issuer must be compared with the
   * manufacturer's certificate.
   */
  readonly intermediate?: string;
}

export function addAttest(key: Command): void {
  withKeyOptions(key.command('attest'))
    .description("print the token's certificate that the key was made in it (YubiKey)")
    .argument('<key>', 'pkcs11: URI of the key')
    .action(async (text: string, options: KeyOptions) => {
      await attest(text, options);
    });
}

async function attest(text: string, options: KeyOptions): Promise<void> {
  const uri = uriOfKey(text, options);
  const track = tracker('asking the token for an attestation');
  const { key, attestation, issuer } = await attestTokenKey(uri, track, keyContext(options));
  const report: AttestationReport = {
    label: key.label,
    id: key.id,
    subject: oneLine(attestation.subject),
    issuer: oneLine(attestation.issuer),
    attestation: pemOf(attestation),
    ...(issuer && { intermediate: pemOf(issuer) }),
  };
  printReport(options, report, formatAttestation);
}

/** Node writes a distinguished name with one line for each attribute. */
function oneLine(name: string): string {
  return name.split('\n').join(', ');
}

function pemOf(certificate: X509Certificate): string {
  return certificate.toString();
}

function formatAttestation(report: AttestationReport): string {
  const names = `subject: ${printable(report.subject)}\nissuer:  ${printable(report.issuer)}\n`;
  return `${names}${report.attestation}${report.intermediate ?? ''}`;
}
