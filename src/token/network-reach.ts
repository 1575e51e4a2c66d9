// Runs in the token helper. Whether this process could reach an HSM over a network at all, for
// hints alone: under the shipped unit it has none (PrivateNetwork=), and modules call that a fault
// of their configuration.

import { networkInterfaces } from 'node:os';

/** What to do where there is no network but the loopback; nothing where there is one. */
export function noNetworkHint(): string {
  return hasNetwork()
    ? ''
    : '; this process has no network: if the module reaches its HSM by one, the systemd unit needs the drop-in network-hsm.conf';
}

function hasNetwork(): boolean {
  try {
    return Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .some(({ internal }) => !internal);
  } catch {
    return false; // no such family of sockets (RestrictAddressFamilies=)
  }
}
