// Finds the line of a configuration file that sets a key. Pure; for error messages alone: the TOML
// parser keeps no lines, and a message that is one line off is still of use.

type Path = readonly string[];

/**
 * @param key dotted, with the place in an array where there is one: `listen.1.mode`.
 * @returns the line that sets it, or whose section should; counted from 1
 */
export function lineOfKey(text: string, key: string): number | undefined {
  const wanted = key.split('.');
  const arrays = new Map<string, number>();
  let section: Path = [];
  let best = 0;
  let found: number | undefined;
  for (const [at, line] of text.split('\n').entries()) {
    const header = /^\s*(\[\[?)([^\]]+)\]/.exec(line);
    const name = /^\s*([^=#[\]]+?)\s*=/.exec(line)?.[1];
    if (header !== null) {
      section = sectionOf(header[2] ?? '', header[1] === '[[', arrays);
    }
    const path = name === undefined ? section : [...section, ...partsOf(name)];
    if ((header !== null || name !== undefined) && commonLength(path, wanted) > best) {
      best = commonLength(path, wanted);
      found = at + 1;
    }
  }
  return found;
}

/** The path of a header; `[[listen]]` is `listen.0` at first, then `listen.1`. */
function sectionOf(name: string, isArray: boolean, arrays: Map<string, number>): Path {
  const parts = partsOf(name);
  if (!isArray) {
    return parts;
  }
  const at = arrays.get(name) ?? 0;
  arrays.set(name, at + 1);
  return [...parts, String(at)];
}

function partsOf(name: string): Path {
  return name.split('.').map((part) => part.trim().replace(/^(["'])(.*)\1$/, '$2'));
}

/** How many parts two paths have in common when one of them holds the other; else none. */
function commonLength(path: Path, wanted: Path): number {
  const length = Math.min(path.length, wanted.length);
  return path.slice(0, length).every((part, at) => part === wanted[at]) ? length : 0;
}
