// Pebble, the ACME test server of Let's Encrypt, with its DNS server. Used by test processes only.
// It is switched to its nastiest: nonces rejected, authorizations reused, random URLs, strict mode.

import { X509Certificate } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { freePorts } from '../free-port.js';
import { mustRun, startProcess, type RunningProcess } from '../process.js';
import type { Scope } from '../scope.js';
import { makeTempDir } from '../temp-dir.js';

interface PebbleOptions {
  /** Percentage of good nonces that are rejected. */
  readonly nonceReject?: number;
  /** Percentage of valid authorizations that are reused. */
  readonly authzReuse?: number;
  /** Certificates between the leaf and the root, the issuing one included. */
  readonly chainLength?: number;
  /** Seconds. */
  readonly validityPeriod?: number;
  readonly blockedDomain?: string;
  /** Seconds that it asks to wait for authorizations and orders; none by default. */
  readonly retryAfter?: { readonly authz: number; readonly order: number };
  /** Chains beside the first, each to a root of its own. */
  readonly alternateRoots?: number;
}

export interface Pebble {
  readonly directoryUrl: string;
  /** PEM of the authority of Pebble's own HTTPS certificate. */
  readonly caFile: string;
  /** PEM of the root its issued certificates end in; made anew at each start. */
  readonly rootCaFile: string;
  /** Where Pebble connects for http-01, on 127.0.0.1, whatever the name. */
  readonly httpPort: number;
  readonly process: RunningProcess;
  /** GET of a path of the management interface. */
  manage(path: string): Promise<string>;
  /** Ends both servers; the scope does it too. */
  stop(): Promise<void>;
}

/** What its configuration says beside addresses and its own certificate. */
function behaviour(options: PebbleOptions): object {
  return {
    ocspResponderURL: '',
    externalAccountBindingRequired: false,
    domainBlocklist: [options.blockedDomain ?? 'blocked.test'],
    retryAfter: options.retryAfter ?? { authz: 0, order: 0 },
    keyAlgorithm: 'ecdsa',
    profiles: {
      default: { description: 'default', validityPeriod: options.validityPeriod ?? 7_776_000 },
    },
  };
}

/** Starts both servers on free ports of 127.0.0.1 and waits until they answer. */
export async function startPebble(scope: Scope, options: PebbleOptions = {}): Promise<Pebble> {
  const directory = await makeTempDir(scope, 'pebble-');
  const [acme, management, http, tls, dns, dnsManagement] = await freePorts(6);
  const files = await makeHttpsCertificate(directory);
  const config = join(directory, 'pebble.json');
  const pebble = {
    listenAddress: `127.0.0.1:${acme ?? 0}`,
    managementListenAddress: `127.0.0.1:${management ?? 0}`,
    certificate: files.certificate,
    privateKey: files.key,
    httpPort: http,
    tlsPort: tls,
    ...behaviour(options),
  };
  await writeFile(config, JSON.stringify({ pebble }));
  const dnsServer = await startProcess(scope, {
    command: 'pebble-challtestsrv',
    args: [
      ...['-management', `127.0.0.1:${dnsManagement ?? 0}`],
      ...['-dnsserver', `127.0.0.1:${dns ?? 0}`],
      ...['-doh', '', '-http01', '', '-https01', '', '-tlsalpn01', ''],
      ...['-defaultIPv4', '127.0.0.1', '-defaultIPv6', ''],
    ],
    waitFor: { port: dnsManagement ?? 0 },
  });
  const server = await startProcess(scope, {
    command: 'pebble',
    args: ['-config', config, '-dnsserver', `127.0.0.1:${dns ?? 0}`, '-strict'],
    env: {
      PEBBLE_VA_NOSLEEP: '1',
      PEBBLE_WFE_NONCEREJECT: String(options.nonceReject ?? 15),
      PEBBLE_AUTHZREUSE: String(options.authzReuse ?? 50),
      PEBBLE_ALTERNATE_ROOTS: String(options.alternateRoots ?? 0),
      PEBBLE_CHAIN_LENGTH: String(options.chainLength ?? 2),
    },
    waitFor: { port: acme ?? 0 },
  });
  const managementUrl = `https://localhost:${management ?? 0}`;
  const authority = await readFile(files.authority, 'utf8');
  const manage = (path: string): Promise<string> => fetchText(`${managementUrl}${path}`, authority);
  await server.waitFor({ port: management ?? 0 });
  const rootCaFile = join(directory, 'root.pem');
  await writeFile(rootCaFile, await manage('/roots/0'));
  return {
    directoryUrl: `https://localhost:${acme ?? 0}/dir`,
    caFile: files.authority,
    rootCaFile,
    httpPort: http ?? 0,
    process: server,
    manage,
    stop: async () => {
      await server.stop();
      await dnsServer.stop();
    },
  };
}

/** True when Pebble's list of certificates has this one as revoked. */
export async function isRevoked(pebble: Pebble, pem: string): Promise<boolean> {
  const serial = new X509Certificate(pem).serialNumber.toLowerCase();
  const status: unknown = JSON.parse(await pebble.manage(`/cert-status-by-serial/${serial}`));
  return JSON.stringify(status).includes('"Status":"Revoked"');
}

interface HttpsFiles {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** A throw-away authority, and a certificate of it for localhost and 127.0.0.1. */
export async function makeHttpsCertificate(parent: string): Promise<HttpsFiles> {
  const directory = join(parent, 'https');
  await mkdir(directory);
  const path = (name: string): string => join(directory, name);
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await mustRun('openssl', [
    ...['req', '-x509', ...newKey, '-sha256', '-days', '30'],
    ...['-subj', '/CN=test HTTPS authority', '-keyout', path('ca.key'), '-out', path('ca.pem')],
    ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  ]);
  await mustRun('openssl', [
    ...['req', '-x509', ...newKey, '-sha256', '-days', '30', '-subj', '/CN=localhost'],
    ...['-CA', path('ca.pem'), '-CAkey', path('ca.key')],
    ...['-keyout', path('server.key'), '-out', path('server.pem')],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-addext', 'extendedKeyUsage=serverAuth', '-addext', 'basicConstraints=critical,CA:FALSE'],
  ]);
  return {
    authority: path('ca.pem'),
    certificate: path('server.pem'),
    key: path('server.key'),
  };
}

function fetchText(url: string, authority: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { ca: authority }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.once('end', () => {
        resolve(text);
      });
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}
