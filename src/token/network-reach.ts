// Runs in the token helper: whether this process could reach an HSM over a network, for hints
// alone. Under the shipped systemd unit it cannot (PrivateNetwork=), which modules report as an
// error of their configuration.

import { networkInterfaces } from 'node:os';

/** A hint where there is no network but the loopback; empty where there is one. */
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
