// Another reader of URLs, by the regular expression of RFC 3986, appendix B, and §3.2. Used by test
// processes only.

const URL_PARTS = /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;
const AUTHORITY_PARTS = /^(?:(.*)@)?(\[[^\]]*\]|[^:[\]]*)(?::([0-9]*))?$/s;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 };

/**
 * `scheme://host[:port]` in lower case without a default port, as the text stands: nothing is
 * decoded.
 */
export function naiveOrigin(text: string): string | undefined {
  const [, scheme = '', authority = ''] = URL_PARTS.exec(text) ?? [];
  const [, user, host = '', port = ''] = AUTHORITY_PARTS.exec(authority) ?? [];
  const defaultPort = DEFAULT_PORTS[scheme.toLowerCase()];
  if (defaultPort === undefined || user !== undefined || host === '') {
    return undefined;
  }
  const number = port === '' ? defaultPort : Number(port);
  const name = host.startsWith('[') ? `[${fullAddress(host.slice(1, -1))}]` : host.toLowerCase();
  return `${scheme.toLowerCase()}://${name}${number === defaultPort ? '' : `:${number}`}`;
}

/** An IPv6 address as eight groups in hexadecimal, RFC 4291 §2.2. */
function fullAddress(text: string): string {
  const hex = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...octets) => {
    const [a = 0, b = 0, c = 0, d = 0] = octets.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [front = '', back] = hex.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const known = groups(front).length + groups(back ?? '').length;
  const zeros = back === undefined ? [] : Array.from({ length: 8 - known }, () => '0');
  return [...groups(front), ...zeros, ...groups(back ?? '')]
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':');
}
