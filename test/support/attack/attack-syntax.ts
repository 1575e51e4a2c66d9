// Attacks by the form: algorithms and header members, JSON that two parsers read differently,
// base64url in other spellings, lines that are none. Used by test processes only.

import { MAX_LINE_BYTES } from '../../../src/protocol/limits.js';
import {
  attack,
  both,
  byHeader,
  DEACTIVATE,
  denied,
  encode,
  GOOD_LINE,
  header,
  headerWithout,
  KID,
  line,
  malformed,
  NAME,
  NEW_ORDER,
  noLine,
  order,
  UNKNOWN,
  type Attack,
  type Outcomes,
} from './attack.js';

export function syntaxAttacks(): readonly Attack[] {
  return [...algorithms(), ...headers(), ...json(), ...values(), ...encodings(), ...lines()];
}

function algorithms(): readonly Attack[] {
  const names = ['none', 'None', 'HS256', 'HS512', 'ES384', 'ES512', 'ES256K', 'RS256', 'PS256'];
  return [
    ...[...names, 'EdDSA', 'es256', 'ES256 '].map((alg) =>
      attack(
        `alg ${JSON.stringify(alg)}`,
        line(header({ alg }), order(NAME)),
        both(byHeader('algorithm', /^alg is not ES256$/)),
      ),
    ),
    attack('no alg', line(headerWithout('alg'), order(NAME)), malformed(/alg is missing/)),
    attack(
      'alg null',
      line(header({ alg: null }), order(NAME)),
      malformed(/alg is not a non-empt/),
    ),
    attack(
      'alg in an array',
      line(header({ alg: ['ES256'] }), order(NAME)),
      malformed(/alg is not/),
    ),
  ];
}

function headers(): readonly Attack[] {
  const unexpected = malformed(/protected header: unexpected member/);
  const raw = (text: string): string => line(text, DEACTIVATE);
  const rest = `"alg":"ES256","kid":${JSON.stringify(KID)},"nonce":"AAAA"`;
  const url = `"url":${JSON.stringify(NEW_ORDER)}`;
  return [
    attack('crit', line(header({ crit: ['x'] }), order(NAME)), unexpected),
    attack('an empty crit', line(header({ crit: [] }), order(NAME)), unexpected),
    attack('b64', line(header({ b64: false, crit: ['b64'] }), order(NAME)), unexpected),
    attack('b64 without crit', line(header({ b64: true }), order(NAME)), unexpected),
    ...['typ', 'cty', 'zip', 'jku', 'x5c', 'x5u', 'x5t#S256', 'enc', 'resource'].map((name) =>
      attack(`header member ${name}`, line(header({ [name]: 'x' }), order(NAME)), unexpected),
    ),
    ...['URL', 'Url', 'Alg', 'KID', 'url ', 'url\u0000', '\u0443rl', ''].map((name) =>
      attack(
        `header member ${JSON.stringify(name)} beside the right one`,
        line(header({ [name]: KID }), order(NAME)),
        unexpected,
      ),
    ),
    attack('header member __proto__', raw(`{${rest},${url},"__proto__":{"url":"x"}}`), unexpected),
    attack('url twice', raw(`{${rest},${url},${url}}`), malformed(/a member occurs twice/)),
    attack(
      'url twice, once escaped',
      raw(`{${rest},${url},"\\u0075rl":${JSON.stringify(KID)}}`),
      malformed(/a member occurs twice/),
    ),
    attack('alg twice', raw(`{"alg":"none",${rest},${url}}`), malformed(/a member occurs twice/)),
    attack('kid twice', raw(`{"kid":"x",${rest},${url}}`), malformed(/a member occurs twice/)),
    attack('url null', raw(`{${rest},"url":null}`), malformed(/url is not a non-empty string/)),
    attack('url in an array', raw(`{${rest},"url":["x"]}`), malformed(/url is not a non-empty/)),
    attack('an empty url', raw(`{${rest},"url":""}`), malformed(/url is not a non-empty/)),
    attack('no url', raw(`{${rest}}`), malformed(/url is missing/)),
    attack('no nonce', line(headerWithout('nonce'), order(NAME)), both(denied('nonce', undefined))),
    attack('nonce null', line(header({ nonce: null }), order(NAME)), malformed(/nonce is not/)),
    attack('a bad nonce', line(header({ nonce: 'a b' }), order(NAME)), malformed(/not base64url/)),
    attack('kid null', line(header({ kid: null }), order(NAME)), malformed(/kid is not/)),
    attack('kid a number', line(header({ kid: 1 }), order(NAME)), malformed(/kid is not/)),
    attack('header an array', raw(`[{${rest},${url}}]`), malformed(/header: not a JSON object/)),
    attack('header null', raw('null'), malformed(/header: not a JSON object/)),
    attack('header a string', raw('"x"'), malformed(/header: not a JSON object/)),
  ];
}

function json(): readonly Attack[] {
  const noValue = malformed(/payload: json: no value/);
  const noName = malformed(/payload: json: a member without a name/);
  const notUtf8 = malformed(/payload: json: not UTF-8/);
  const ambiguous = malformed(/a number that readers may hold for different ones/);
  const more = malformed(/payload: json: something behind the value/);
  const twice = malformed(/payload: json: a member occurs twice/);
  const payload = (name: string, text: string | Buffer, outcome: Outcomes): Attack =>
    attack(`payload: ${name}`, line(header(), text), outcome);
  const good = JSON.stringify(order(NAME));
  const nested = (depth: number): string =>
    `{"identifiers":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  return [
    payload('a BOM', `\ufeff${good}`, noValue),
    attack(
      'header: a BOM',
      line(`\ufeff${JSON.stringify(header())}`, DEACTIVATE),
      malformed(/header: json: no value/),
    ),
    payload('UTF-16', Buffer.from(good, 'utf16le'), noName),
    payload(
      'invalid UTF-8',
      Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff), Buffer.from('"}')]),
      notUtf8,
    ),
    payload('an overlong NUL', Buffer.from('{"a":"\xc0\x80"}', 'latin1'), notUtf8),
    payload('a surrogate in UTF-8', Buffer.from('{"a":"\xed\xa0\x80"}', 'latin1'), notUtf8),
    payload('a lone surrogate', '{"status":"\\ud800"}', malformed(/lone surrogate/)),
    payload('a lone surrogate in a name', '{"\\udc00":1}', malformed(/lone surrogate/)),
    payload('status twice', '{"status":"canceled","status":"deactivated"}', twice),
    payload('status twice, once escaped', '{"status":"x","st\\u0061tus":"deactivated"}', twice),
    payload('identifiers twice', `{"identifiers":[],${good.slice(1)}`, twice),
    payload('type twice', `{"identifiers":[{"type":"dns","type":"ip","value":"${NAME}"}]}`, twice),
    payload('value twice', `{"identifiers":[{"type":"dns","value":"x","value":"${NAME}"}]}`, twice),
    payload('17 deep', nested(16), malformed(/nested too deep/)),
    payload('5000 deep', nested(5000), malformed(/nested too deep/)),
    payload(
      '5000 deep objects',
      '{"a":'.repeat(3000) + '1' + '}'.repeat(3000),
      malformed(/nested too deep/),
    ),
    payload('a huge number', '{"reason":1e999}', ambiguous),
    payload('a huge negative number', '{"reason":-1e999}', ambiguous),
    payload('a number of 9000 digits', `{"reason":${'9'.repeat(9000)}}`, ambiguous),
    payload('a fraction as a reason', '{"certificate":"AAAA","reason":1.5}', ambiguous),
    payload('two values', `${good}{}`, more),
    payload('a comment', `/**/${good}`, noValue),
    payload('a trailing comma', '{"status":"deactivated",}', noName),
    payload('single quotes', "{'status':'deactivated'}", noName),
    payload('NaN', '{"reason":NaN}', noValue),
    payload('a NUL behind it', `${good}\u0000`, more),
    payload('a blank that JSON does not know', `\u00a0${good}`, noValue),
    payload('null', 'null', malformed(/payload: not a JSON object/)),
    payload('a string', '"deactivated"', malformed(/payload: not a JSON object/)),
    payload('a number', '1', malformed(/payload: not a JSON object/)),
    payload('an array', `[${good}]`, malformed(/payload: not a JSON object/)),
    payload('blanks', ' ', noValue),
  ];
}

/** Good JSON that is of no known shape, or of two. */
function values(): readonly Attack[] {
  const unknown = (name: string, text: string): Attack =>
    attack(`payload: ${name}`, line(header({ url: KID }), text), UNKNOWN);
  const identifiers = `"identifiers":[{"type":"dns","value":"${NAME}"}]`;
  return [
    unknown('a NUL in a value', '{"status":"deactivated\\u0000"}'),
    unknown('a NUL in a name', '{"status\\u0000":"deactivated"}'),
    unknown('Status', '{"Status":"deactivated"}'),
    unknown('status and Status', '{"status":"canceled","Status":"deactivated"}'),
    unknown('identifiers and Identifiers', `{${identifiers},"Identifiers":[]}`),
    unknown('Deactivated', '{"status":"Deactivated"}'),
    unknown('status valid', '{"status":"valid"}'),
    unknown('status revoked', '{"status":"revoked"}'),
    unknown('status in an array', '{"status":["deactivated"]}'),
    unknown('__proto__', '{"__proto__":{"status":"deactivated"}}'),
    unknown('constructor', '{"constructor":{"prototype":{"status":"deactivated"}}}'),
    unknown('status and contact', '{"status":"deactivated","contact":[]}'),
    unknown('status and resource', '{"status":"deactivated","resource":"reg"}'),
    unknown('status and identifiers', `{${identifiers},"status":"deactivated"}`),
    unknown('csr and identifiers', `{${identifiers},"csr":"AAAA"}`),
    unknown('csr and status', '{"csr":"AAAA","status":"deactivated"}'),
    unknown('csr and certificate', '{"csr":"AAAA","certificate":"AAAA"}'),
    unknown('certificate and contact', '{"certificate":"AAAA","contact":[]}'),
    unknown(
      'identifiers and identifier',
      `{${identifiers},"identifier":{"type":"dns","value":"x"}}`,
    ),
    unknown('an extra member of an order', `{${identifiers},"x":1}`),
    unknown('a member null of an order', `{${identifiers},"notAfter":null}`),
    unknown('an extra member of a finalize', '{"csr":"AAAA","x":1}'),
    unknown('an extra member of a challenge', '{"keyAuthorization":"x"}'),
    unknown('an extra member of a revocation', '{"certificate":"AAAA","url":"x"}'),
    unknown('a reason of a revocation that is none', '{"certificate":"AAAA","reason":11}'),
    unknown('a number for a csr', '{"csr":1}'),
    unknown('a csr in an array', '{"csr":["AAAA"]}'),
    unknown('an empty csr', '{"csr":""}'),
    unknown('a csr with padding', '{"csr":"AA=="}'),
    unknown('a csr in the standard alphabet', '{"csr":"++//"}'),
    unknown('identifiers as an object', `{"identifiers":{"type":"dns","value":"${NAME}"}}`),
    unknown('no identifiers', '{"identifiers":[]}'),
    unknown('an identifier as an array', `{"identifiers":[["dns","${NAME}"]]}`),
    unknown('an identifier as a string', `{"identifiers":["${NAME}"]}`),
    unknown('an identifier null', '{"identifiers":[null]}'),
    unknown('a name in an array', `{"identifiers":[{"type":"dns","value":["${NAME}"]}]}`),
    unknown('an identifier without a type', `{"identifiers":[{"value":"${NAME}"}]}`),
    unknown('an empty name', '{"identifiers":[{"type":"dns","value":""}]}'),
    unknown(
      'an extra member of an identifier',
      `{"identifiers":[{"type":"dns","value":"${NAME}","x":1}]}`,
    ),
    unknown('claims of a JWT', '{"iss":"x","sub":"y","aud":"z","exp":4102444800}'),
    unknown('contact as a string', '{"contact":"mailto:evil@evil.example"}'),
  ];
}

function encodings(): readonly Attack[] {
  const [head = '', body = ''] = GOOD_LINE.split('.');
  const alphabet = malformed(/base64url: not canonical/);
  const tail = encode('{"a":1}'); // 7 bytes: the last character has four bits that say nothing
  return [
    attack('padding in the header', `${head}=.${body}`, alphabet),
    attack('padding in the payload', `${head}.${body}=`, alphabet),
    attack('two signs of padding', `${head}.${tail}==`, alphabet),
    attack(
      'the standard alphabet',
      `${head}.${Buffer.from('{"a":"\u07ff\u07ff~~?"}').toString('base64')}`,
      alphabet,
    ),
    attack('other bits behind the end', `${head}.${tail.slice(0, -1)}R`, alphabet),
    attack('one character too many', `${head}.${encode(DEACTIVATE)}A`, alphabet),
    attack('a blank in the payload', `${head}.${body.slice(0, 8)} ${body.slice(8)}`, alphabet),
    attack('a blank behind the payload', `${GOOD_LINE} `, alphabet),
    attack('a letter beyond ASCII', `${head}.${body}\u00e9`, alphabet),
    attack('an unencoded payload', `${head}.${JSON.stringify(DEACTIVATE)}`, alphabet),
    attack('an unencoded header', `${JSON.stringify(header())}.${body}`, malformed(/./)),
    attack('three parts', `${GOOD_LINE}.AAAA`, alphabet),
    attack('two dots', `${head}..${body}`, alphabet),
    attack('no dot', `${head}${body}`, malformed(/protected header: missing/)),
    attack('no header', `.${body}`, malformed(/protected header: missing/)),
    attack('nothing', '', malformed(/protected header: missing/)),
    attack('a dot', '.', malformed(/protected header: missing/)),
    attack(
      'a flattened JWS',
      JSON.stringify({ protected: head, payload: body }),
      malformed(/missing/),
    ),
    attack('a word of the protocol, too late', '!ping!', malformed(/missing/)),
    attack(
      'an update encoded twice',
      `${head}.${encode(encode({ contact: [] }))}`,
      malformed(/payload: json: no value/),
    ),
  ];
}

function lines(): readonly Attack[] {
  const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
  const [head = '', body = ''] = GOOD_LINE.split('.');
  return [
    attack('a line of the greatest length', 'A'.repeat(MAX_LINE_BYTES), malformed(/missing/)),
    attack('a line that is too long', 'A'.repeat(MAX_LINE_BYTES + 1), noLine(/longer than 32768/)),
    attack('a line of 200 KiB', 'A'.repeat(200 * 1024), noLine(/longer than 32768/)),
    attack('a line without end', bytes('A'.repeat(MAX_LINE_BYTES + 2)), noLine(/longer than/)),
    attack(
      'a good request, padded too long',
      `${GOOD_LINE}${'A'.repeat(MAX_LINE_BYTES)}`,
      noLine(/longer than 32768/),
    ),
    attack('LF alone', bytes(`${GOOD_LINE}\n`), noLine(/does not end in CR LF/)),
    attack('LF before CR', bytes(`${GOOD_LINE}\n\r`), noLine(/does not end in CR LF/)),
    attack('CR alone', bytes(`${GOOD_LINE}\r${GOOD_LINE}\r\n`), noLine(/does not end in CR LF/)),
    attack('CR twice', bytes(`${GOOD_LINE}\r\r\n`), noLine(/does not end in CR LF/)),
    attack('a NUL in a line', bytes(`${head}.\u0000${body}\r\n`), noLine(/NUL/)),
    attack('a NUL behind a line', bytes(`${GOOD_LINE}\u0000\r\n`), noLine(/NUL/)),
  ];
}
