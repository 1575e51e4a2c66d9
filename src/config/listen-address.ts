// An address to listen on, as text: ADDRESS:PORT, [IPV6]:PORT or :PORT. Pure.

import { isIP, isIPv6 } from 'node:net';
import { AppError } from '../lib/errors.js';

export interface ListenAddress {
  /** Undefined: every address of the machine, IPv4 and IPv6. */
  readonly host: string | undefined;
  readonly port: number;
}

/** http-01 comes to port 80, RFC 8555 §8.3. */
export const DEFAULT_LISTEN = ':80';

/** @throws AppError CONFIG_INVALID */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const [, bracketed, plain, digits] = match ?? [];
  const port = Number(digits);
  const host = bracketed ?? plain ?? '';
  const isHost =
    bracketed === undefined ? host === '' || host === '*' || isIP(host) !== 0 : isIPv6(host);
  if (match === null || !isHost || port < 1 || port > 65_535) {
    throw new AppError(
      'CONFIG_INVALID',
      `${JSON.stringify(text)} is no address to listen on: write 192.0.2.1:80, [2001:db8::1]:80 or :80`,
    );
  }
  return { host: host === '' || host === '*' ? undefined : host, port };
}
