// Changes to a tree of DER elements that keep the lengths right, so that they reach deep into a
// parser. Used by test processes only.

import fc from 'fast-check';
import { decodeDer, encodeDer, type DerPart } from '../requests/der-builder.js';

interface Node {
  tag: number;
  content: Buffer | Node[];
}

interface Mutation {
  readonly at: number;
  readonly kind: (typeof KINDS)[number];
  readonly place: number;
  readonly octet: number;
}

const KINDS = [
  'tag',
  'string',
  'name',
  'octet',
  'insert',
  'cut',
  'drop',
  'twice',
  'swap',
  'text',
] as const;
const STRING_TAGS = [0x0c, 0x13, 0x16, 0x14, 0x1e];
const NAME_TAGS = [0x81, 0x82, 0x86, 0x87, 0x88, 0xa0, 0xa3, 0xa4, 0xa5];
const TEXTS = [
  'a.test',
  '*.a.test',
  'A.test.',
  'a\0b',
  '192.0.2.1',
  '::1',
  ' a',
  "a,'b",
  'é',
  'DNS:x',
  '',
];

export const anyMutations: fc.Arbitrary<readonly Mutation[]> = fc.array(
  fc.record({
    at: fc.nat(),
    kind: fc.constantFrom(...KINDS),
    place: fc.nat(),
    octet: fc.nat(255),
  }),
  { minLength: 1, maxLength: 4 },
);

/**
 * The tree with each change made to one of its elements; DER in an OCTET STRING belongs to the
 * tree.
 */
export function mutated(part: DerPart, mutations: readonly Mutation[]): DerPart {
  const root = treeOf(part);
  for (const mutation of mutations) {
    const nodes = allOf(root);
    const node = nodes[mutation.at % nodes.length];
    if (node !== undefined) {
      apply(
        node,
        mutation,
        nodes.find((other) => isParent(other, node)),
      );
    }
  }
  return root;
}

function apply(node: Node, { kind, place, octet }: Mutation, parent: Node | undefined): void {
  switch (kind) {
    case 'tag':
      node.tag = octet;
      return;
    case 'string':
      node.tag = STRING_TAGS[place % STRING_TAGS.length] ?? 0;
      return;
    case 'name':
      node.tag = NAME_TAGS[place % NAME_TAGS.length] ?? 0;
      return;
    case 'octet':
    case 'insert':
    case 'cut':
    case 'text':
      changeContent(node, { kind, place, octet });
      return;
    default:
      changeSiblings(node, kind, parent);
  }
}

function changeContent(
  node: Node,
  { kind, place, octet }: Pick<Mutation, 'kind' | 'place' | 'octet'>,
): void {
  if (!Buffer.isBuffer(node.content)) {
    return;
  }
  const at = place % (node.content.length + 1);
  const before = node.content.subarray(0, at);
  const inserted = kind === 'cut' ? Buffer.alloc(0) : Buffer.of(octet);
  const after = node.content.subarray(kind === 'insert' ? at : at + 1);
  node.content =
    kind === 'text'
      ? Buffer.from(TEXTS[place % TEXTS.length] ?? '')
      : Buffer.concat([before, inserted, after]);
}

function changeSiblings(
  node: Node,
  kind: 'drop' | 'twice' | 'swap',
  parent: Node | undefined,
): void {
  if (parent === undefined || Buffer.isBuffer(parent.content)) {
    return;
  }
  const siblings = parent.content;
  const at = siblings.indexOf(node);
  if (kind === 'drop') {
    siblings.splice(at, 1);
  } else if (kind === 'twice') {
    siblings.splice(at, 0, copyOf(node));
  } else {
    siblings.splice(at, 1);
    siblings.push(node);
  }
}

function isParent(node: Node, child: Node): boolean {
  return !Buffer.isBuffer(node.content) && node.content.includes(child);
}

function allOf(node: Node): Node[] {
  return [node, ...(Buffer.isBuffer(node.content) ? [] : node.content.flatMap(allOf))];
}

function copyOf({ tag, content }: Node): Node {
  return {
    tag,
    content: Buffer.isBuffer(content) ? Buffer.from(content) : content.map(copyOf),
  };
}

function treeOf({ tag, content }: DerPart): Node {
  if (!(content instanceof Uint8Array)) {
    return { tag, content: content.map(treeOf) };
  }
  const bytes = Buffer.from(content);
  const inner = tag === 0x04 && bytes.length > 1 ? decodeDer(bytes) : undefined;
  const isDer = inner !== undefined && encodeDer(inner).equals(bytes);
  return { tag, content: isDer ? [treeOf(inner)] : bytes };
}
