// The Link header, RFC 8288, as far as ACME uses it: the targets of one relation. Pure; runs in
// claviger. It is untrusted text: what is no link is skipped, and callers check each target as any
// other URL of the server.

import { parseUrl } from '../../lib/web-url.js';

/** Links of one answer that are read. */
const MAX_LINKS = 32;
/** `<target>` and its parameters, up to the comma that ends them; a quoted text may hold commas. */
const LINK = /<([^<>]{1,2048})>((?:[^",<]|"(?:[^"\\]|\\.){0,500}"){0,500})(?:,|$)/g;
/** One parameter: its name, and its value in quotes or bare. */
const PARAMETER =
  /;\s*([\w*!#$&+.^`|~-]{1,100})\s*=\s*(?:"((?:[^"\\]|\\.){0,500})"|([^\s;,"]{0,500}))/g;
const MAX_HEADER_LENGTH = 16_384;

/**
 * The targets of a relation, absolute.
 * @param values of all Link headers
 * @param base URL of the request, for relative references (§3.1)
 */
export function linkTargets(
  values: readonly string[],
  relation: string,
  base: URL,
): readonly string[] {
  const links = values
    .filter((value) => value.length <= MAX_HEADER_LENGTH)
    .flatMap((value) => [...value.matchAll(LINK)])
    .slice(0, MAX_LINKS);
  return links.flatMap(([, target = '', parameters = '']) => {
    const isWanted = relationsOf(parameters).includes(relation);
    const url = isWanted ? parseUrl(target, base.href) : undefined;
    return url === undefined ? [] : [url.href];
  });
}

/**
 * §3.3: the first `rel` counts; types are compared without regard to case, and several may stand in
 * quotes.
 */
function relationsOf(parameters: string): readonly string[] {
  for (const [, name = '', quoted, bare = ''] of parameters.matchAll(PARAMETER)) {
    if (name.toLowerCase() === 'rel') {
      return (quoted ?? bare).toLowerCase().split(/\s+/);
    }
  }
  return [];
}
