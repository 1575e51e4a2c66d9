// A head of the audit log as people note it elsewhere. Pure; the daemon tells it, the commands take
// it back. By itself, for the daemon starts sooner without the rest of the audit log where none is
// configured.

import type { ChainHead } from './audit-record.js';

/** `120:2c26b46b...`, as `clavigerd audit verify --head` takes it. */
export function formatHead({ seq, hash }: ChainHead): string {
  return `${seq}:${hash}`;
}
